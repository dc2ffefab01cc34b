#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
tools-check.py - what the command vtdpasid printed in a guest: is it as it should be?

usage: tests/tools-check.py [--update] OUT

OUT is what tests/guest/x_tools.c printed. Text is compared with the files of
tests/tools, addresses, process ids and the like put aside (--update writes them
anew: look at what changed). JSON has to follow the schemas of tools/schema, and
to have no member that they do not know. TAP on standard output.
exit: 0 all passed, 1 something failed, 2 usage
"""
import json
import os
import re
import sys
import warnings

try:
    import jsonschema
except ImportError:
    print('1..0 # SKIP python3 has no jsonschema: apt-get install python3-jsonschema')
    sys.exit(0)

# Newer versions have something else for RefResolver, which Debian 12 has not.
warnings.simplefilter('ignore', DeprecationWarning)

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXPECTED = os.path.join(TOP, 'tests', 'tools')
SCHEMAS = os.path.join(TOP, 'tools', 'schema')

LICENCE = '# SPDX-License-Identifier: GPL-2.0-only\n'

# What differs from run to run, in text.
NORMAL = (
    (r'0x[0-9a-f]{5,}', '0xADDRESS'),
    (r'\b(x_tools|vtdpasid|vtdpasid-keep)\[\d+\]', r'\1[PID]'),
    (r'process \d+', 'process PID'),
    (r'\b(fault-irq|prq-irq|doorbells|descriptors|file|uid) \d+', r'\1 N'),
    (r'(?<![\w:.])\d+\.\d\b', 'RATE'),
    # Boxes are as wide as a process id is long.
    (r'--+', '--'),
    (r'  +', '  '),
    (r' +\|', ' |'),
)


class Run:
    """One run of the command: its name, exit status, arguments, output."""

    def __init__(self, name, status, args):
        self.name = name
        self.status = int(status)
        self.args = args
        self.out = []
        self.err = []


def read_runs(path):
    """All runs of the record, in order."""
    runs = []
    with open(path, encoding='utf-8', errors='replace') as record:
        for line in record:
            word, _, rest = line.rstrip('\r\n').partition(' ')
            if word == '#@run':
                name, status, args = (rest.split(' ', 2) + [''])[:3]
                runs.append(Run(name, status, args))
            elif word == '#@out':
                runs[-1].out.append(rest)
            elif word == '#@err':
                runs[-1].err.append(rest)
    return runs


def normal(run):
    """The text of a run, without what differs each time."""
    text = '\n'.join(['$ vtdpasid ' + run.args] + run.out +
                     ['stderr: ' + line for line in run.err] +
                     ['status: %d' % run.status]) + '\n'
    for pattern, word in NORMAL:
        text = re.sub(pattern, word, text)
    return LICENCE + re.sub(r' +$', '', text, flags=re.M)


def strict(schema):
    """The schema, with members that it does not name forbidden."""
    if isinstance(schema, dict):
        new = {key: strict(value) for key, value in schema.items()}
        if schema.get('type') == 'object' and 'properties' in schema:
            new['additionalProperties'] = False
        return new
    if isinstance(schema, list):
        return [strict(value) for value in schema]
    return schema


def read_schemas():
    """All schemas, by their $id."""
    schemas = {}
    for name in sorted(os.listdir(SCHEMAS)):
        with open(os.path.join(SCHEMAS, name), encoding='utf-8') as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        schemas[name] = strict(schema)
    return schemas


class Tap:
    """Counts and prints."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def result(self, name, problems):
        self.count += 1
        print('%s %d - %s' % ('not ok' if problems else 'ok', self.count, name))
        self.failed += bool(problems)
        for line in problems[:30]:
            print('# ' + line[:200])


def check_json(run, schemas, seen):
    """Each line is a document that follows the schema of its kind."""
    problems = []
    if not run.out:
        problems.append('no output')
    for line in run.out:
        try:
            document = json.loads(line)
        except ValueError as error:
            problems.append('no JSON: %s: %s' % (error, line))
            continue
        name = '%s.json' % document.get('kind')
        seen.add(name)
        if name not in schemas:
            problems.append('no schema of this kind: %s' % name)
            continue
        validator = jsonschema.Draft202012Validator(
            schemas[name], resolver=jsonschema.RefResolver(
                name, schemas[name], store=schemas))
        for error in validator.iter_errors(document):
            problems.append('%s: %s' % ('/'.join(map(str, error.absolute_path)), error.message))
        if (run.status != 0) != (name == 'error.json') and name != 'doctor.json':
            problems.append('status %d, but kind %s' % (run.status, name))
    return problems


def check_text(run, update):
    """The same as it was, but for what differs each time."""
    path = os.path.join(EXPECTED, run.name + '.txt')
    got = normal(run)
    if update:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(got)
        return []
    if not os.path.exists(path):
        return ['no %s: --update makes it' % os.path.relpath(path, TOP)]
    with open(path, encoding='utf-8') as file:
        want = file.read()
    if got == want:
        return []
    return (['expected:'] + ['  ' + line for line in want.splitlines()] +
            ['got:'] + ['  ' + line for line in got.splitlines()])


def main():
    args = sys.argv[1:]
    update = '--update' in args
    args = [arg for arg in args if arg != '--update']
    if len(args) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    runs = read_runs(args[0])
    if not runs:
        print('1..0 # SKIP x_tools did not run')
        return 0
    schemas = read_schemas()
    tap = Tap()
    seen = set()
    for run in runs:
        if run.args.startswith('-j '):
            tap.result('%s: follows its schema' % run.name, check_json(run, schemas, seen))
        else:
            tap.result('%s: text as expected' % run.name, check_text(run, update))
    names = {run.name for run in runs}
    tap.result('each file of tests/tools belongs to a run', [
        name for name in sorted(os.listdir(EXPECTED))
        if name.endswith('.txt') and name[:-4] not in names])
    tap.result('each schema was used', [name for name in schemas if name not in seen])
    print('1..%d' % tap.count)
    return 1 if tap.failed else 0


sys.exit(main())
