#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
ioctls.py - the part of vtdpasid(4) that the header already says

usage: tools/man/ioctls.py HEADER TEMPLATE

Prints TEMPLATE with the line "@IOCTLS@" replaced by the ioctls of HEADER,
"@STRUCTURES@" by its other structures, and "@ERRORS@" by the errors that all
ioctls may give: one description, for both. The kernel-doc comments of HEADER
have a summary, @members, paragraphs, and at the end "Errors:" with a table.
"""
import re
import sys
import textwrap

BLOCK = re.compile(r'/\*\*\n(.*?)\n \*/\nstruct (\w+) \{\n(.*?)\n\};', re.S)


def escape(text):
    """Text for roff: no line may begin with a control character."""
    text = text.replace('\\', '\\e').replace('-', '\\-').replace('()', '\\&()')
    return re.sub(r"^([.'])", r'\\&\1', text)


def sentences(text):
    """A paragraph, each sentence on a line of its own, as mdoc wants it."""
    text = re.sub(r'@(\w+)', r'\1', ' '.join(text.split()))
    return [escape(line) for sentence in re.split(r'(?<=[.:!?]) +(?=[A-Z0-9])', text)
            for line in textwrap.wrap(sentence, 74, break_on_hyphens=False)]


def table(lines):
    """Rows of "KEY[, KEY]  words", whose words may go on in further lines."""
    rows = []
    for line in lines:
        match = re.match(r'  ([A-Z0-9]+(?:, [A-Z0-9]+)*) +(\S.*)$', line)
        if match:
            rows.append([match.group(1), match.group(2)])
        elif rows and line.strip():
            rows[-1][1] += ' ' + line.strip()
    return rows


def print_table(rows):
    """Errors, as a list."""
    print('.Bl -tag -width EPROTONOSUPPORT')
    for keys, words in rows:
        print('.It ' + ' , '.join('Er ' + key for key in keys.split(', ')))
        print('\n'.join(sentences(words)))
    print('.El')


def parse(comment):
    """Members, paragraphs and errors of a kernel-doc comment."""
    lines = [re.sub(r'^ \* ?', '', line) for line in comment.split('\n')][1:]
    members, paragraphs, errors = [], [[]], []
    while lines:
        line = lines.pop(0)
        match = re.match(r'@(\w+): (.*)', line)
        if match and paragraphs == [[]]:
            members.append([match.group(1), match.group(2)])
        elif re.match(r'\t', line) and members and paragraphs == [[]]:
            members[-1][1] += ' ' + line.strip()
        elif line == 'Errors:':
            errors = table(lines)
            break
        elif line:
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return members, [' '.join(p) for p in paragraphs if p], errors


def print_members(members):
    """What each member is, as a list."""
    print('.Bl -tag -width out_requests_failed')
    for name, words in members:
        print('.It Va ' + name)
        print('\n'.join(sentences(words)))
    print('.El')


def print_structure(name, comment, struct, body):
    """A section on one structure."""
    members, paragraphs, errors = parse(comment)
    print('.Ss ' + name)
    for index, paragraph in enumerate(paragraphs):
        if index:
            print('.Pp')
        print('\n'.join(sentences(paragraph)))
    print('.Bd -literal -offset indent')
    print('struct %s {' % struct)
    print('\n'.join(escape(re.sub(r'\s*/\*.*?\*/', '', line)) for line in body.split('\n')))
    print('};\n.Ed')
    print_members(members)
    if errors:
        print('.Pp\nErrors:')
        print_table(errors)


def print_ioctls(header):
    """All structures that are the argument of an ioctl."""
    for comment, struct, body in BLOCK.findall(header):
        match = re.search(r'ioctl\((\w+)\)', comment)
        if match:
            print_structure(match.group(1), comment, struct, body)


def print_structures(header):
    """Those that are none: events, results."""
    for comment, struct, body in BLOCK.findall(header):
        if not re.search(r'ioctl\((\w+)\)', comment):
            print_structure('struct ' + struct, comment, struct, body)


def print_errors(header):
    """What all ioctls may give."""
    match = re.search(r' \* Errors that every ioctl may give\n \* -+\n(.*?)\n \*/', header, re.S)
    print_table(table([re.sub(r'^ \* ?', '', line) for line in match.group(1).split('\n')]))


def main():
    """Fill in the template."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding='utf-8') as file:
        header = file.read()
    makers = {
        '@IOCTLS@\n': print_ioctls,
        '@STRUCTURES@\n': print_structures,
        '@ERRORS@\n': print_errors,
    }
    with open(sys.argv[2], encoding='utf-8') as template:
        for line in template:
            if line in makers:
                makers[line](header)
            else:
                sys.stdout.write(line)
    return 0


sys.exit(main())
