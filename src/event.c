// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events for userspace: a bounded ring for each client, filled from any
 * context, emptied by read(). What does not fit is counted, and the next event
 * says how many came before it. Administrators hear all of them by netlink.
 */
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/ktime.h>
#include <linux/uaccess.h>

#include "vtdpasid.h"

int vtdp_events_init(struct vtdp_events *events)
{
	events->ring = kvcalloc(VTDP_EVENTS, sizeof(*events->ring),
				GFP_KERNEL_ACCOUNT);
	if (!events->ring)
		return -ENOMEM;
	spin_lock_init(&events->lock);
	init_waitqueue_head(&events->wait);
	return 0;
}

void vtdp_events_exit(struct vtdp_events *events)
{
	kvfree(events->ring);
}

static struct vtdpasid_event *events_slot(struct vtdp_events *events,
					  unsigned int position)
{
	lockdep_assert_held(&events->lock);
	return &events->ring[position % VTDP_EVENTS];
}

/* Queue an event, all but size and lost. Context: any. */
static void events_push(struct vtdp_events *events,
			const struct vtdpasid_event *event)
{
	struct vtdpasid_event *slot;
	unsigned long flags;

	spin_lock_irqsave(&events->lock, flags);
	if (events->tail - events->head == VTDP_EVENTS) {
		events->lost++;
	} else {
		slot = events_slot(events, events->tail);
		*slot = *event;
		slot->size = sizeof(*event);
		slot->lost = events->lost;
		events->lost = 0;
		WRITE_ONCE(events->tail, events->tail + 1);
	}
	spin_unlock_irqrestore(&events->lock, flags);
	wake_up_interruptible(&events->wait);
}

static bool events_pending(struct vtdp_events *events)
{
	return READ_ONCE(events->head) != READ_ONCE(events->tail);
}

/* Take one event out; it is put back by events_return() if it cannot be given. */
static bool events_take(struct vtdp_events *events, struct vtdpasid_event *event)
{
	bool found = false;

	spin_lock_irq(&events->lock);
	if (events->head != events->tail) {
		*event = *events_slot(events, events->head);
		WRITE_ONCE(events->head, events->head + 1);
		found = true;
	}
	spin_unlock_irq(&events->lock);
	return found;
}

/*
 * Ahead of the others again. When the ring has filled up meanwhile it is lost,
 * as the newest would be, and counted with the oldest that is left.
 */
static void events_return(struct vtdp_events *events,
			  const struct vtdpasid_event *event)
{
	spin_lock_irq(&events->lock);
	if (events->tail - events->head == VTDP_EVENTS) {
		events_slot(events, events->head)->lost += event->lost + 1;
	} else {
		WRITE_ONCE(events->head, events->head - 1);
		*events_slot(events, events->head) = *event;
	}
	spin_unlock_irq(&events->lock);
}

/**
 * vtdp_events_read() - read() of whole events
 * @events: of the client
 * @buf: where to
 * @count: bytes
 * @nonblock: do not wait for the first
 *
 * Context: may sleep; no lock held.
 * Return: bytes; -EINVAL for a buffer too small; -EAGAIN; -EFAULT;
 * -ERESTARTSYS.
 */
ssize_t vtdp_events_read(struct vtdp_events *events, char __user *buf,
			 size_t count, bool nonblock)
{
	struct vtdpasid_event event;
	size_t done = 0;
	int err;

	if (count < sizeof(event))
		return -EINVAL;
	while (count - done >= sizeof(event)) {
		if (events_take(events, &event)) {
			if (copy_to_user(buf + done, &event, sizeof(event))) {
				events_return(events, &event);
				return done ?: -EFAULT;
			}
			done += sizeof(event);
			continue;
		}
		if (done || nonblock)
			break;
		err = wait_event_interruptible(events->wait,
					       events_pending(events));
		if (err)
			return err;
	}
	return done ?: -EAGAIN;
}

__poll_t vtdp_events_poll(struct vtdp_events *events, struct file *file,
			  poll_table *wait)
{
	poll_wait(file, &events->wait, wait);
	return events_pending(events) ? EPOLLIN | EPOLLRDNORM : 0;
}

/* What a file's own calls do is no news to it. */
static bool event_for_file(u16 type)
{
	return type < VTDPASID_EVENT_TAKEOVER || type > VTDPASID_EVENT_UNBIND;
}

/**
 * vtdp_event_tell() - tell of an event whoever may know
 * @unit: unit that it is about
 * @device: attached function that it is about, or NULL
 * @binding: binding of @device that it is about, or NULL
 * @event: type, and what else is not said by these; filled in
 *
 * Netlink hears all; the client that attached @device what concerns its use.
 *
 * Context: any; under vtdp_lock or unit->devices_lock or, with @binding, its
 * space's lock.
 */
void vtdp_event_tell(const struct vtdp_unit *unit,
		     const struct vtdp_device *device,
		     const struct vtdp_binding *binding,
		     struct vtdpasid_event *event)
{
	event->time = ktime_get_mono_fast_ns();
	event->segment = unit->drhd->segment;
	event->unit = unit->index;
	if (device) {
		event->rid = device->rid;
		event->device = device->id;
	}
	if (binding)
		event->binding = binding->id;
	if (device && event_for_file(event->type))
		events_push(&device->client->events, event);
	vtdp_netlink_event(event, device, binding);
}

/* What became of a unit. Context: as vtdp_event_tell(). */
void vtdp_event_unit(const struct vtdp_unit *unit, u16 type)
{
	struct vtdpasid_event event = { .type = type };

	vtdp_event_tell(unit, NULL, NULL, &event);
}

/* What became of an attached function. Context: as vtdp_event_tell(). */
void vtdp_event_device(const struct vtdp_device *device, u16 type)
{
	struct vtdpasid_event event = { .type = type };

	vtdp_event_tell(device->unit, device, NULL, &event);
}

/* What became of a binding. Context: as vtdp_event_tell(). */
void vtdp_event_binding(const struct vtdp_binding *binding, u16 type)
{
	struct vtdpasid_event event = {
		.type = type,
		.flags = binding->pasid ? VTDPASID_EVENT_PASID : 0,
		.pasid = binding->pasid,
	};

	vtdp_event_tell(binding->device->unit, binding->device, binding, &event);
}
