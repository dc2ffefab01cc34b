# SPDX-License-Identifier: GPL-2.0-only
#
# fish completion of vtdpasid(8); ids are asked for by -j, as they are now

# The words behind the options: object, command, argument...
function __vtdpasid_words
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; or echo $word
    end
end

# __vtdpasid_at N WORD...: are there N words, the first of which are these?
function __vtdpasid_at
    set -l words (__vtdpasid_words)
    test (count $words) = $argv[1]; or return 1
    test (count $argv) -gt 1; or return 0
    for i in (seq 2 (count $argv))
        set -l before (math $i - 1)
        test "$words[$before]" = $argv[$i]; or return 1
    end
end

# __vtdpasid_ids OBJECT KEY: the values of KEY in what there is of OBJECT.
function __vtdpasid_ids
    vtdpasid -j $argv[1] 2>/dev/null | grep -o "\"$argv[2]\":\"\?[^\",]*" |
        string replace -r '^"[a-z_]*":"?' '' | sort -u
end

function __vtdpasid_functions
    command ls /sys/bus/pci/devices 2>/dev/null
end

complete -c vtdpasid -f
complete -c vtdpasid -n '__vtdpasid_at 0' -s j -l json -d JSON
complete -c vtdpasid -n '__vtdpasid_at 0' -s p -l pretty -d 'JSON for people'
complete -c vtdpasid -n '__vtdpasid_at 0' -s c -l color -a 'auto always never' -d colours
complete -c vtdpasid -n '__vtdpasid_at 0' -s V -l version -d version
complete -c vtdpasid -n '__vtdpasid_at 0' -s h -l help -d help
complete -c vtdpasid -n '__vtdpasid_at 0' -a doctor -d 'what is missing, and what helps'
complete -c vtdpasid -n '__vtdpasid_at 0' -a unit -d 'VT-d units, takeover, handback'
complete -c vtdpasid -n '__vtdpasid_at 0' -a device -d 'PCI functions, attach, detach'
complete -c vtdpasid -n '__vtdpasid_at 0' -a pasid -d PASIDs
complete -c vtdpasid -n '__vtdpasid_at 0' -a binding -d 'who is bound to what'
complete -c vtdpasid -n '__vtdpasid_at 0' -a table -d 'the remapping structure'
complete -c vtdpasid -n '__vtdpasid_at 0' -a explain -d 'what hardware does with a request'
complete -c vtdpasid -n '__vtdpasid_at 0' -a monitor -d 'events as they come'
complete -c vtdpasid -n '__vtdpasid_at 0' -a stat -d rates
complete -c vtdpasid -n '__vtdpasid_at 1 unit' -a 'list show takeover handback help'
complete -c vtdpasid -n '__vtdpasid_at 1 device' -a 'list show claim release attach detach help'
complete -c vtdpasid -n '__vtdpasid_at 1 pasid; or __vtdpasid_at 1 binding' -a 'list show help'
complete -c vtdpasid -n '__vtdpasid_at 1 table' -a 'show --dot --svg help'
complete -c vtdpasid -n '__vtdpasid_at 1 doctor' -a '(__vtdpasid_functions)'
complete -c vtdpasid -n '__vtdpasid_at 1 explain' -a '--last-fault (__vtdpasid_functions)'
complete -c vtdpasid -n '__vtdpasid_at 1 monitor' -a '--time --count --buffer'
complete -c vtdpasid -n '__vtdpasid_at 1 stat' -a '--interval --count'
complete -c vtdpasid -n '__vtdpasid_at 2 explain' -a --pasid
complete -c vtdpasid -n '__vtdpasid_at 2 table show' -a '(__vtdpasid_functions)'
for verb in show takeover handback
    complete -c vtdpasid -n "__vtdpasid_at 2 unit $verb" -a '(__vtdpasid_ids unit unit)'
end
for verb in show detach
    complete -c vtdpasid -n "__vtdpasid_at 2 device $verb" -a '(__vtdpasid_ids device function)'
end
for verb in claim release attach
    complete -c vtdpasid -n "__vtdpasid_at 2 device $verb" -a '(__vtdpasid_functions)'
end
complete -c vtdpasid -n '__vtdpasid_at 3 device attach' -a 'ats pri --'
complete -c vtdpasid -n '__vtdpasid_at 2 pasid show' -a '(__vtdpasid_ids pasid pasid)'
complete -c vtdpasid -n '__vtdpasid_at 2 binding show' -a '(__vtdpasid_ids binding function)'
complete -c vtdpasid -n '__vtdpasid_at 3 binding show' -a '(__vtdpasid_ids binding pasid)'
