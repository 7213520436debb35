"""Writes tests/data/templates/cases.json: snippets of Jinja and what jinja2 makes of them in the
environment that transformers gives to chat templates.

    python tests/goldens/make_templates.py

A case has "expected", or "error" (the class and words of what Python raised: moiety must fail too,
in words of its own). Cases where moiety must fail although Python does not are in UNSUPPORTED.
"""

import json
import pathlib

from transformers.utils.chat_template_utils import _compile_jinja_template

VARIABLES = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi, it's \"me\"\n"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1, "y": [1.5, True, None]}}}]},
    ],
    "users": [
        {"name": "bob", "age": 30, "city": {"name": "Oslo"}, "on": True},
        {"name": "Ann", "age": 25, "city": {"name": "Rome"}, "on": False},
        {"name": "carl", "age": 30, "city": {"name": "oslo"}, "on": True},
    ],
    "s": "Hello, World", "u": "Straße Ünï日本🙂", "e": "", "sp": "  a  b \n c ", "ws": " \t x\u3000",
    "n": 7, "neg": -7, "f": 2.5, "big": 1e20, "small": 1e-7, "t": True, "no": False, "nil": None,
    "l": [3, 1, 2], "el": [], "d": {"b": 1, "a": 2, "C": 3}, "ed": {}, "nested": [[1, [2, [3]]], [4]],
    "mixed": [1, "1", 1.0, True, None, [1], {"k": "v"}], "html": "<b a='1'>\"x\" & y</b>",
    "long": "The quick brown fox jumps over the lazy dog and runs away-quickly from well-known foxes",
    "lines": "one\ntwo\n\nthree\r\nfour", "q": "it's", "qq": 'say "it\'s"', "ctl": "a\tb\x00\x7f\u00ad\u200b",
    "dm": {"items": 5, "x y": 1, "1": "one"}, "big_int": 2**62,
}

EXPRESSIONS = r"""
1
1_000
0x1F
0b101
0o17
1.5
1e3
1.5e-3
1_0.2_5
'a' "b" 'c'
'\n\t\\\'\"\x41\u00e9\U0001F642\101\q'
"a\
b"
'é\é'
true
True
none
None
false
[1, 'a', [2.0, none], true]
(1,)
(1, 2)
()
{'a': 1, 'b': [1, {'c': none}]}
{1: 'x', true: 'y', 1.5: 'z', none: 0}
{'a': 1, 'a': 2}
1, 2
[1, 2,]
{'a': 1,}
1 + 2 * 3
(1 + 2) * 3
7 / 2
6 / 2
7 // 2
-7 // 2
7 // -2
-7 % 3
7 % -3
7.5 % 2
-7.5 % 2
7.5 // 2
-7.5 // 2
2 ** 3
2 ** -1
2 ** 0.5
2 ** 3 ** 2
-2 ** 2
+3
-f
- -3
1 / 0
1 // 0
1 % 0
1.0 / 0
1.0 // 0
0.1 + 0.2
1e16
1e15
123456789012345680.0
0.0001
0.00001
-0.0
1e22
1.0
1e300 * 1e10
-1e300 * 1e10
1e300 * 1e10 - 1e300 * 1e10
5e-324
1.7976931348623157e308
big
small
3.14159
100.0
true + true
true + 1
1 + 1.5
'a' + 'b'
'a' + 1
1 + 'a'
[1] + [2]
(1,) + (2,)
[1] + (2,)
'a' * 3
3 * 'ab'
'a' * 0
'a' * -1
[1, 2] * 2
2 * [1]
'a' - 'b'
none + 1
'x' ~ 1 ~ none ~ true ~ 1.5 ~ [1, 'a'] ~ undefined_thing
'%s and %d' % ('a', 5)
'%s' % 5
'%s' % [1]
'%5d|%-5d|%05d|%+d|% d' % (42, 42, 42, 42, 42)
'%x %X %o %#x %#o' % (255, 255, 8, 255, 8)
'%.2f %8.3f %-8.1f| %e %g %G' % (3.14159, 2.5, 1.25, 12345.678, 0.00001, 1e20)
'%5s|%-5s|%.2s' % ('ab', 'ab', 'abcdef')
'%(a)s-%(b)d' % {'a': 1, 'b': 2}
'%%' % ()
'%r %s' % ('a', 'a')
'%c%c' % (65, 'b')
'%d' % 3.99
'%d' % '3'
'%s %s' % (1,)
'%s' % (1, 2)
'%z' % 1
'%*d' % (5, 42)
'100%' % ()
'%s' % undefined_thing
'%s' % none
'%i %u' % (1, 2)
'%.3d' % 5
1 == 1.0
1 == true
'1' == 1
none == none
[1, 2] == [1, 2]
(1, 2) == [1, 2]
{'a': 1} == {'a': 1.0}
1 < 2
1 < 2 < 3
1 < 2 > 3
1 < 3 > 2
'a' < 'b'
'B' < 'a'
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 'a') < (1, 'b')
1 < 'a'
none < 1
[1] < [none]
1 != 2
1 >= 1
1 in [1, 2]
'a' in 'abc'
'' in 'abc'
1 in 'abc'
'a' in d
'z' not in d
1 not in [2]
none in [none]
1.0 in [1]
'a' in none
'a' in 5
'a' in undefined_thing
undefined_thing in [1]
undefined_thing in 'abc'
[1] in d
not 1
not none
not not 'a'
1 and 2
0 and 2
'' or 'x'
0 or none
none and 1
1 or 2 and 3
not 1 == 2
'a' if true else 'b'
'a' if false else 'b'
'a' if false
('a' if false) is defined
'a' if none else 'b' if false else 'c'
1 if 2 else 3 if 4
undefined_thing
undefined_thing.x
undefined_thing['x']
undefined_thing[0]
undefined_thing + 1
1 + undefined_thing
undefined_thing == undefined_other
undefined_thing == none
undefined_thing | length
undefined_thing()
undefined_thing < 1
-undefined_thing
undefined_thing[1:]
s.nothing
s.nothing.more
d.nothing
d.nothing.more
nil.x
nil.x.y
n.x
l.x
l[10]
l[10].x
l['x']
d['nothing']
d[1]
d[[1]]
d.b
d['b']
dm.items
dm['items']
dm.items()
dm.items.type
dm.x
dm['x y']
dm.1
d.keys()
d.values()
d.items()
d.keys() | list
d.items() | list
d.get('a')
d.get('z')
d.get('z', 5)
d.get()
d.get('a', default=1)
d.get([1])
d.copy()
d.update({'x': 1})
d.pop('a')
d.setdefault('x', 1)
d.clear()
d.update
d.update is defined
l.append(1)
l.append
l.pop()
l.sort()
l.reverse()
l.extend([1])
l.insert(0, 1)
l.remove(1)
l.index(1)
l.index(9)
l.index(2, 1)
l.index(3, 1)
l.count(1)
[1, 1, 1.0, true].count(1)
l.copy()
(1, 2, 1).count(1)
(1, 2, 1).index(2)
l[0]
l[-1]
l[true]
l[0:2]
l[1:]
l[:-1]
l[::-1]
l[::2]
l[5:]
l[-2:]
l[2:0:-1]
l[::0]
l['a':]
(1, 2, 3)[1:]
s[0]
s[-1]
s[100]
s[1:4]
s[::-1]
s[::3]
s[-3:]
u[4]
u[-1]
u[::-1]
u[7:9]
u[-3:-1]
s[none:2]
d[1:2]
n[0]
none[0]
range(5)
range(5)[1:3]
range(5)[-1]
range(5)[::2] | list
range(2, 8, 2) | list
range(8, 2, -2) | list
range(1, 5, 1)
range(0)
range(5) | length
3 in range(5)
range()
range(1, 2, 0)
range('a')
range(1.5)
range(100001) | length
range(3) == range(0, 3)
(range(3) | list) == [0, 1, 2]
range(3).start
s.upper()
s.lower()
u.upper()
u.lower()
u.title()
u.swapcase()
u.casefold()
s.swapcase()
'hello world'.title()
"they're bill's".title()
'hELLO wORLD'.capitalize()
'ßa'.capitalize()
'ΑΣ ΑΣΑ Σ'.lower()
'İ'.lower()
'ﬁ'.upper()
'ǆ'.title()
sp.strip()
sp.lstrip()
sp.rstrip()
ws.strip()
'xxaxx'.strip('x')
'xyaxy'.strip('yx')
'xxaxx'.lstrip('x')
'xxaxx'.rstrip('x')
'a'.strip(none)
'a'.strip(1)
'a'.strip(chars='a')
'éaé'.strip('é')
sp.split()
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a b  c'.split(' ')
'a b  c'.split(none, 1)
'a b  c'.split(maxsplit=1)
'a,b,c'.split(sep=',', maxsplit=1)
'a,b,c'.rsplit(',', 1)
' a b c '.rsplit(none, 1)
' a  b c '.split(none, 1)
''.split()
''.split(',')
'abc'.split('')
'a||b'.split('||')
lines.splitlines()
lines.splitlines(true)
'a\x0bb\x0cc\x1cd\u2028e'.splitlines()
','.join(['a', 'b'])
','.join('abc')
','.join([1])
','.join(d)
''.join([])
', '.join(d.keys())
', '.join(5)
'aXbX'.replace('X', '-')
'aXbX'.replace('X', '-', 1)
'aXbX'.replace('X', '-', 0)
'ab'.replace('', '-')
'ab'.replace('', '-', 2)
''.replace('', '-')
'éa'.replace('', '-')
'aa'.replace('a', 1)
s.startswith('Hell')
s.startswith(('x', 'H'))
s.startswith('llo', 2)
s.startswith('llo', 2, 4)
s.startswith(1)
s.startswith(['H'])
s.endswith('ld')
s.endswith(('x', 'd'))
s.endswith('World', 0, -1)
s.find('o')
s.find('o', 5)
s.find('zz')
s.find('')
s.find('', 100)
s.rfind('o')
s.rfind('o', 0, 5)
s.index('o')
s.index('zz')
s.rindex('o')
u.find('日')
u.rfind('🙂')
s.count('o')
s.count('')
s.count('l', 3)
'aaaa'.count('aa')
u.count('')
'abc'.isalpha()
'abc1'.isalnum()
'123'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
'一'.isnumeric()
''.isalpha()
'é'.isalpha()
' \t'.isspace()
''.isspace()
'abc'.islower()
'ABC'.isupper()
'Abc Def'.istitle()
'Abc def'.istitle()
'aB'.islower()
'1'.islower()
'abc'.isidentifier()
'1abc'.isidentifier()
'abc'.isascii()
u.isascii()
'a\n'.isprintable()
'abc'.removeprefix('a')
'abc'.removesuffix('c')
'abc'.removeprefix('x')
'42'.zfill(5)
'-42'.zfill(5)
'+4'.zfill(1)
''.zfill(2)
'ab'.ljust(5) ~ '|'
'ab'.rjust(5, '*')
'ab'.center(5, '*')
'ab'.center(6, '*')
'abc'.center(6, '*')
'abc'.center(8)
'é'.rjust(3, '日')
'ab'.center(5, '**')
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.partition('-')
'abc'.rpartition('-')
'abc'.partition('')
'a\tb'.expandtabs(4)
'a\tbc\td'.expandtabs()
'{} {}'.format(1, 'a')
'{1} {0}'.format('a', 'b')
'{a} {b[0]} {c.a}'.format(a=1, b=[2], c={'a': 3})
'{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd')
'{:05d} {:+d} {:x} {:#x} {:,}'.format(42, 42, 255, 255, 1234567)
'{:.2f} {:8.3f} {:e} {:g} {:%}'.format(3.14159, 2.5, 1234.5, 0.0001, 0.25)
'{:.3}'.format('abcdef')
'{!r} {!s}'.format('a', 'b')
'{{}}'.format()
'{}'.format()
'{x}'.format()
'{:{}}'.format('a', 5)
'{:d}'.format('a')
'{'.format()
'}'.format()
'{0}{}'.format(1, 2)
'{:5}|{:5}'.format(1, true)
'{:.1f}'.format(1)
'{:>6.2f}|'.format(2.5)
'{:b}'.format(10)
'{:_}'.format(1234567)
'{:010.2f}'.format(-3.14159)
'abc'.encode
'a'.nothing()
s.upper
s.__class__
s._x
d.__class__
''.__class__.__mro__
l | first
l | last
el | first
el | last
s | first
s | last
d | first
d | last
l | length
s | length
u | length
d | length
n | length
nil | length
l | count
undefined_thing | default('x')
undefined_thing | default
undefined_thing | d('x')
'' | default('x')
'' | default('x', true)
none | default('x')
none | default('x', boolean=true)
d.nothing | default('y')
undefined_thing.x | default('y')
l | join
l | join(', ')
l | join(d=', ')
users | join(', ', attribute='name')
mixed | join('|')
'abc' | join('-')
undefined_thing | join
5 | join
l | sort
l | sort(reverse=true)
['b', 'A', 'c'] | sort
['b', 'A', 'c'] | sort(case_sensitive=true)
users | sort(attribute='age') | map(attribute='name') | list
users | sort(attribute='age,name') | map(attribute='name') | list
users | sort(attribute='city.name') | map(attribute='name') | list
users | sort(attribute='nope') | map(attribute='name') | join(',')
d.keys() in {}
d.values() in {}
users | sort(true, attribute='name') | map(attribute='name') | join(',')
[1, 'a'] | sort
[[2, 'b'], [1, 'a']] | sort
nested | sort
d | sort
undefined_thing | sort
d | dictsort
d | dictsort(true)
d | dictsort(by='value')
d | dictsort(reverse=true)
d | dictsort(by='nope')
d | dictsort(false, 'value', true)
l | dictsort
l | min
l | max
el | min
['b', 'A'] | min
['b', 'A'] | max(case_sensitive=true)
users | max(attribute='age')
users | min(attribute='name')
l | sum
el | sum
users | sum(attribute='age')
users | sum('age', 100)
['a'] | sum
[1.5, 2] | sum
[[1], [2]] | sum(start=[])
l | list
s | list
d | list
5 | list
undefined_thing | list
none | list
l | reverse | list
s | reverse
u | reverse
l | reverse | first
l | reverse | last
d | reverse | list
['a', 'A', 'b', 'a'] | unique | list
['a', 'A', 'b'] | unique(case_sensitive=true) | list
users | unique(attribute='age') | map(attribute='name') | list
[1, 1.0, true, 2] | unique | list
[[1], [1]] | unique | list
users | map(attribute='name') | list
users | map(attribute='nope') | list
users | map(attribute='nope', default='-') | list
users | map(attribute='city.name') | join(',')
['a', 'b'] | map('upper') | list
['a', 'b'] | map('replace', 'a', 'x') | list
l | map('string') | join('-')
l | map('nope') | list
l | map() | list
l | map(foo=1) | list
nested | map('length') | list
nested | map('first') | list
nested | map(attribute=0) | list
nested | map(attribute='1') | list
undefined_thing | map('upper') | list
none | map('upper') | list
l | select | list
[0, 1, '', 'a', none] | select | list
[0, 1, '', 'a', none] | reject | list
l | select('odd') | list
l | reject('odd') | list
l | select('greaterthan', 1) | list
l | select('>', 1) | list
l | select('in', [1, 2]) | list
l | select('nope') | list
users | selectattr('on') | map(attribute='name') | list
users | rejectattr('on') | map(attribute='name') | list
users | selectattr('age', '==', 30) | map(attribute='name') | list
users | selectattr('age', 'equalto', 30) | list | length
users | selectattr('nope', 'defined') | list
users | selectattr('nope', 'undefined') | list | length
users | selectattr('city.name', 'eq', 'Oslo') | list | length
users | selectattr | list
messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | first
l | select('odd') | first
l | select('odd') | last
l | select('odd') | length
(l | select('odd'))[0]
l | select('odd') is sequence
l | select('odd') is iterable
l | batch(2) | list
l | batch(2, 'x') | list
[1, 2, 3, 4, 5] | slice(3) | list
[1, 2, 3, 4, 5] | slice(3, 'x') | list
l | slice(0) | list
l | slice(2) | map('list') | list
users | groupby('age')
users | groupby('age') | map('first') | list
users | groupby('city.name') | map('first') | list
users | groupby('city.name', case_sensitive=true) | map('first') | list
users | groupby('nope', default='x') | map(attribute='grouper') | list
(users | groupby('age') | first).list | length
d | items | list
undefined_thing | items | list
l | items
s | upper
s | lower
s | title
s | capitalize
n | upper
nil | upper
'foo-bar (baz) [x] {y} <z> a_b' | title
"it's" | title
s | center(20) ~ '|'
s | center ~ '|'
sp | trim ~ '|'
'xxaxx' | trim('x')
n | trim
undefined_thing | trim
s | replace('l', 'L')
s | replace('l', 'L', 1)
n | replace('7', '8')
s | replace('l')
lines | indent
lines | indent(2)
lines | indent(2, true)
lines | indent(2, true, true)
lines | indent(2, blank=true)
lines | indent('> ')
lines | indent(width=3, first=true)
'' | indent
'' | indent(first=true)
'a\n' | indent
n | indent
s | indent(none)
long | truncate(20)
long | truncate(20, true)
long | truncate(20, false, '…')
long | truncate(20, leeway=0)
s | truncate(10)
s | truncate(2)
s | truncate(5, true, '', 0)
'foo bar baz qux' | truncate(9)
'foo bar baz qux' | truncate(11)
'foo bar baz qux' | truncate(11, False, '...', 0)
long | wordwrap(20)
long | wordwrap(10)
long | wordwrap(5)
long | wordwrap(5, false)
long | wordwrap(20, wrapstring='|')
long | wordwrap(12, break_on_hyphens=false)
long | wordwrap(7, break_on_hyphens=true)
lines | wordwrap(10)
'a -- b --- c--d e-f gh-ij kl-mn-op --opt' | wordwrap(3)
'  leading and   inner  ' | wordwrap(6)
long | wordwrap(0)
s | wordcount
u | wordcount
"it's a-b c_d 1.5" | wordcount
long | wordcount
'42' | int
'42.7' | int
' 42 ' | int
'x' | int
'x' | int(5)
'ff' | int(0, 16)
'0xff' | int(0, 16)
'0xff' | int(base=0)
'0b11' | int(0, 2)
'1_000' | int
'_1' | int
'' | int
2.9 | int
-2.9 | int
none | int
none | int(9)
l | int
true | int
undefined_thing | int
'1e3' | int
'inf' | int
'-5' | int
'+5' | int
'- 5' | int
'٣' | length
'3.5' | float
'x' | float
'x' | float(1.5)
'1e5' | float
'inf' | float
'nan' | float
'-Infinity' | float
'1_0.5' | float
'.5' | float
'5.' | float
'.' | float
n | float
none | float
undefined_thing | float
1.5 | round
2.5 | round
-2.5 | round
0.5 | round
2.675 | round(2)
42.55 | round(1)
42.55 | round(1, 'floor')
42.55 | round(1, 'ceil')
42.55 | round(0, 'ceil')
42.55 | round(method='nope')
7 | round
7 | round(1)
1234.5 | round(-2)
1250 | round(-2)
'a' | round
1e300 | round(2)
-7 | abs
-2.5 | abs
'a' | abs
true | abs
5 | string
none | string
1.0 | string
[1, 'a'] | string
'%s-%s' | format('a', 1)
'%(a)s' | format(a=1)
'%s' | format(1, a=2)
html | escape
html | e
html | forceescape
html | e | e
html | safe
(html | safe) + '<i>'
'<i>' + (html | e)
(html | e) ~ '<'
n | e
html | striptags
'a <b>c</b>  d <!-- x --> e' | striptags
'a b/c&d?é=日' | urlencode
{'a b': 1, 'c': 'd/e&f'} | urlencode
[('a', 1), ('b', 'x y')] | urlencode
5 | urlencode
{'class': 'a b', 'id': none, 'x': 1, 'y': '<'} | xmlattr
{'class': 'a'} | xmlattr(false)
{'a b': 1} | xmlattr
d | pprint
{'b': 1, 'a': [2, 'x']} | pprint
s | pprint
mixed | pprint
1000 | filesizeformat
1 | filesizeformat
500 | filesizeformat
1500000 | filesizeformat
1500000 | filesizeformat(true)
1024 | filesizeformat(true)
'2500' | filesizeformat
mixed | tojson
mixed | tojson(indent=2)
mixed | tojson(indent=0)
d | tojson(sort_keys=true)
d | tojson(separators=(',', ':'))
d | tojson(indent=1, separators=(',', ': '))
u | tojson
u | tojson(ensure_ascii=true)
u | tojson(true)
html | tojson
ctl | tojson
qq | tojson
'a/b\u2028' | tojson
f | tojson
big | tojson
{'a': (1, 2), 1: 2, none: 3, true: 4, 1.5: 5} | tojson
[] | tojson
{} | tojson(indent=4)
[[], {}, [[]]] | tojson(indent=4)
d | tojson(indent='\t')
undefined_thing | tojson
[undefined_thing] | tojson
range(3) | tojson
d.items() | tojson
d.keys() | tojson
namespace(a=1) | tojson
('nan' | float) | tojson
('-inf' | float) | tojson
d | attr('items') is callable
d | attr('b')
'x' | attr('upper') is defined
'a' | attr('nope') is defined
s | nope
s | nope.more
s | upper | lower | title
-1 | abs
(-1) | abs
1 + 2 | string
'a' ~ 'b' | upper
not 'a' | length
s | upper()
s | upper(1)
s is defined
undefined_thing is defined
undefined_thing is not defined
undefined_thing is undefined
d.x is defined
none is none
s is none
1 is odd
2 is even
9 is divisibleby 3
9 is divisibleby(2)
9 is divisibleby
'a' is odd
1.5 is odd
1 is integer
true is integer
1.0 is integer
1.0 is float
1 is float
1 is number
true is number
'1' is number
true is boolean
1 is boolean
true is true
1 is true
false is false
0 is false
'a' is string
1 is string
d is mapping
l is mapping
l is sequence
s is sequence
d is sequence
5 is sequence
undefined_thing is sequence
undefined_thing is iterable
undefined_thing is callable
undefined_thing is string
none is sequence
none is iterable
l is iterable
5 is iterable
s is iterable
d.items() is iterable
d.items() is sequence
range(3) is sequence
range is callable
s is callable
'abc' is lower
'ABC' is upper
'aB' is lower
5 is lower
none is sameas none
1 is sameas 1
1 is sameas true
l is sameas l
[] is sameas []
s is sameas(s)
(s | e) is escaped
s is escaped
'a' is in 'abc'
1 is in [1]
1 is in 5
1 is eq 1
1 is equalto 2
1 is ne 2
1 is lt 2
1 is gt 2
1 is le 1
1 is ge 2
1 is lessthan 2
1 is greaterthan 0
'a' is lt 1
'upper' is filter
'nope' is filter
'odd' is test
'nope' is test
'==' is test
s is nope
s is not nope
1 is odd is even
not 1 is odd
1 is odd and 2 is even
1 is not odd or true
1 is eq(1) and true
s is string and s | length > 3
5 is divisibleby 5 == true
namespace(a=1, b='x')
namespace(a=1).a
namespace(a=1).b
namespace(_a=1)
namespace({'a': 1}, b=2).b
namespace([1])
dict(a=1, b=2)
dict({'a': 1}, a=2)
dict([('a', 1), ['b', 2]])
dict(1)
dict()
joiner()()
cycler(1, 2).next()
cycler(1, 2).current
cycler()
cycler(1, 2).nope
lipsum is defined
raise_exception('stop here')
raise_exception(message='stop')
strftime_now('%Y-%m-%d %H:%M:%S')
strftime_now('%d %b %Y, %A %B %j %p %I %y %a %U %w %%')
strftime_now('')
strftime_now('%z|%Z|')
range(3) | map('string') | join('')
[s, s, s] | map('upper') | unique | list
messages[0].role
messages[-1].tool_calls[0].function.arguments
messages[-1]['tool_calls'][0]['function']['arguments'] | tojson
messages[2].content
messages[1].content
messages[1]
messages | length
messages[1:] | map(attribute='role') | join(',')
messages[0]['content'] + messages[1].content.strip()
[q, qq, ctl, u, 'a\\b', 'x\ny', '\x85\xa0\u2028\ufeff']
mixed
nested
users[0]
{'k': s}
(s, n)
[none, true, 1.5, {}]
9223372036854775807
'a' in ['a'] and 'b' in 'abc'
'a' not in 'b' == true
[1, 2, 3] | sum > 5
l | sort | first + 1
(l | sort)[0] + 1
d['a'] + d.b
d[s.lower()[0:1]] | default('none')
'a' if s else 'b' | upper
[1, [2, 3]][1][0]
{'a': {'b': 1}}.a.b
{'a': {'b': 1}}['a']['b']
(1, 2)[0]
'abc'[1]
'abc'.upper().lower()[0]
"a" 'b' ~ "c"
foo(
)
1 +
[1, 2
{'a' 1}
(1, 2
'abc
1 ! 2
a b
| upper
1 | 2
x.
x[
x[]
x[1
{1, 2}
lambda x: x
x := 1
1 if else 2
is defined
if
in
f(a=1, 2)
range(*[1, 5]) | list
range(*[1], 5)
dict(**{'a': 1})
dict(a=1, **{'b': 2})
dict(a=1, **{'a': 2})
dict(**5)
dict(a=1, a=2)
range(*5)
"%s" % "a" * 2
-l
+s
~1
1 ~ 2
@
$x
1 <> 2
`a`
a.b.c.d
not
and
é
日本 is defined
x1y2
1x
_private
s.split(',')[1].strip()
s.split(',') | map('trim') | list
'a=b'.split('=')[1]
lines.split('\n') | length
('a', 'b') | join
s | list | length
d | length > 2 and l | length == 3
""".strip("\n").split("\n")

TEMPLATES = r"""
plain text
a{# comment #}b
a {#- comment -#} b
a {#+ comment +#} b
¶{# c #}¶x
¶  {# c #}  ¶x
{% if true %}yes{% endif %}
{% if false %}yes{% else %}no{% endif %}
{% if no %}a{% elif n == 7 %}b{% elif true %}c{% else %}d{% endif %}
{% if undefined_thing %}a{% endif %}b
{% if true %}¶x¶{% endif %}¶y
  {% if true %}¶  x¶  {% endif %}¶  y
{%- if true %}¶  x¶  {%- endif %}¶  y
a  {%- if true -%}  x  {%- endif -%}  b
a  {%+ if true %}  x  {%+ endif %}  b
¶  {%+ if true %}  x¶  {%+ endif %}¶  b
{% if true +%}¶x{% endif +%}¶y
{% if true %}¶¶x{% endif %}
a¶¶{%- if true %}¶¶x{%- endif %}¶¶b
{{ 1 }}¶{{ 2 }}¶
  {{ 1 }}  ¶  {{ 2 }}
a {{- 1 -}} b
a ¶ {{- 1 -}} ¶ b
a {{+ 1 }} b
x¶¶
x¶
¶
{{ 'a\n' }}¶
{%- set x = 1 -%}  {{ x }}
{% set x = 1 %}¶{{ x }}
    {% set x = 1 %}    {{ x }}
a {% set x = 1 %}{{ x }}
{# c #}{% set x = 1 %}¶  {# d #}¶{{ x }}
{% raw %}{{ x }}{% endraw %}
{% raw %}¶  {% if %}¶{% endraw %}¶y
{%- raw -%}  {{ x }}  {%- endraw -%}  y
  {% raw %}  a  {% endraw %}  y
  {% raw %}¶  a¶  {% endraw %}¶  y
{%+ raw %} x {%+ endraw +%}¶ y
{% raw %}a
{% raw x %}
a{{ 1 }}{#x#}{% raw %}{#y#}{% endraw %}
\r
a\r\nb\rc
{% for x in l %}{{ x }},{% endfor %}
{% for x in l %}¶  {{ x }}¶{% endfor %}¶
{% for x in l -%}¶  {{ x }}¶{%- endfor %}¶
{% for x in el %}a{% else %}empty{% endfor %}
{% for x in undefined_thing %}a{% else %}empty{% endfor %}
{% for x in l %}a{% else %}empty{% endfor %}
{% for x in none %}a{% endfor %}
{% for x in 5 %}a{% endfor %}
{% for x in 'abc' %}{{ x }}-{% endfor %}
{% for x in u %}{{ x }}|{% endfor %}
{% for x in d %}{{ x }}-{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k, v in d | items %}{{ k }}={{ v }};{% endfor %}
{% for k, v in d | dictsort %}{{ k }}={{ v }};{% endfor %}
{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }};{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for a, b in [(1,)] %}{{ a }}{% endfor %}
{% for a, b in [1] %}{{ a }}{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, in [(1,), (2,)] %}{{ a }}{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}
{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}
{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}
{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for x in l %}{{ loop.cycle() }}{% endfor %}
{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }}{% endfor %}
{% for x in [1, 1, 2] %}{% if loop.changed(x, 1) %}{{ x }}{% endif %}{% endfor %}
{% for x in l %}{{ loop.nope }}{% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ loop.last }};{% endfor %}
{% for x in l if x > 5 %}a{% else %}none{% endfor %}
{% for x in l if loop.index %}a{% endfor %}
{% for x in l | select('odd') %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ loop.revindex }};{% endfor %}
{% set ns = namespace(n=0) %}{% for x in [1, 2, 3, 4] if ns.n < 2 %}{% set ns.n = ns.n + 1 %}{{ x }}{% endfor %}
{% for x in l %}{% for y in l %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }};{% endfor %}
{% for x in l %}{% set outer = loop %}{% for y in [1] %}{{ outer.index }}{{ loop.index }};{% endfor %}{% endfor %}
{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% break %}{% else %}e{% endfor %}
{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endfor %};{% endfor %}
{% break %}
{% if true %}{% continue %}{% endif %}
{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
{% for x in l %}{% endfor %}{% break %}
{% for x in el %}{% else %}{% break %}{% endfor %}
{% for x in nested recursive %}[{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}{% endif %}]{% endfor %}
{% for x in [[1, [2]], 3] recursive %}{{ loop.depth }}:{% if x is sequence %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}
{% for x in l %}{{ loop(x) }}{% endfor %}
{% for loop in l %}{% endfor %}
{% for x, y in l if %}{% endfor %}
{% for in l %}{% endfor %}
{% for x l %}{% endfor %}
{% for x.y in l %}{% endfor %}
{% for 1 in l %}{% endfor %}
{% for x in l %}{% endif %}
{% for x in l %}
{% for x in l, 5 %}{{ x }};{% endfor %}
{% for x in 1, 2, 3 %}{{ x }}{% endfor %}
{% for x in (1, 2) if x is odd %}{{ x }}{% endfor %}
{% for x in [] if true else [1] %}{% endfor %}
{% for x in range(3) %}{{ x }}{% endfor %}{{ x }}
{% set x = 0 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set x = 0 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }};{% endfor %}
{% for i in l %}{{ x }}{% set x = i %}{% endfor %}
{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b }}{{ ns.b is defined }}
{% set ns.a = 1 %}
{% set d.a = 1 %}
{% set ns = namespace() %}{% set ns._a = 1 %}
{% set ns = namespace() %}{% set ns['a'] = 1 %}
{% set ns = namespace(a=[]) %}{% set ns.a = ns.a + [1] %}{{ ns.a }}
{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = b, a %}{{ a is defined }}
{% set (a, b) = (1, 2) %}{{ a }}{{ b }}
{% set a = 1, %}{{ a }}
{% set a, b = [1] %}
{% set a = b = 1 %}
{% set a %}hello {{ n }}{% endset %}[{{ a }}]
{% set a | upper %}hello{% endset %}{{ a }}
{% set a | upper | replace('L', 'x') %}hello{% endset %}{{ a }}
{% set a %}{% set b = 5 %}{{ b }}{% endset %}{{ a }}{{ b }}
{% set a, b %}xy{% endset %}{{ a }}{{ b }}
{% set true = 1 %}
{% set 'a' = 1 %}
{% set x %}
{% set x = 1 if no %}{{ x is defined }}{{ x }}
{% if true %}{% set x = 1 %}{% endif %}{{ x }}
{% if false %}{% set x = 1 %}{% endif %}{{ x }}{{ x is defined }}
{% if false %}{% set s = 1 %}{% endif %}{{ s }}
{% with a = 1 %}{{ a }}{% endwith %}{{ a }}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}
{% with a = 1, b = a %}{{ b }}{% endwith %}
{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}
{% with a, b = (1, 2) %}{{ a }}{% endwith %}
{% macro m() %}x{% endmacro %}{{ m() }}{{ m() }}
{% macro m(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=4, a=5) }}{{ m() }}
{% macro m(a, b=a) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }}
{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}
{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(none) }}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, b=3) }}
{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}body{% endcall %}
{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% call 5 %}x{% endcall %}
{% call m %}x{% endcall %}
{% macro m(caller) %}{% endmacro %}
{% macro m(caller=none) %}{{ caller() if caller else 'no' }}{% endmacro %}{{ m() }}{% call m() %}z{% endcall %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m(a, a) %}{% endmacro %}
{% macro m(1) %}{% endmacro %}
{% macro m %}{% endmacro %}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}
{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}
{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}
{% macro m() %}{% set x = 5 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}
{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}
{% for x in l %}{{ m(x) }}{% endfor %}{% macro m(x) %}{{ x }}{% endmacro %}
{% macro m() %}{{ loop }}{% endmacro %}{% for x in l %}{{ m() }}{% endfor %}
{% macro m() %}a{% endmacro %}{{ m() | upper }}{{ m() ~ 'b' }}{{ (m() + 'x') | length }}
{% macro m() %}¶  x¶{% endmacro %}[{{ m() }}]
{% macro m() -%}¶  x¶{%- endmacro %}[{{ m() }}]
{{ m is defined }}{% macro m() %}{% endmacro %}{{ m is defined }}{{ m is callable }}
{% macro m(x) %}{{ x }}{% endmacro %}{{ m(m(m(1))) }}
{% macro m(xs) %}{% for x in xs %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}{% endmacro %}{{ m([1, 2]) }}
{% filter upper %}hello {{ s }}{% endfilter %}
{% filter upper | replace('L', 'x') %}hello{% endfilter %}
{% filter indent(2) %}a¶b{% endfilter %}
{% filter %}{% endfilter %}
{% filter nope %}{% endfilter %}
{% for x in l %}{% filter upper %}a{% break %}{% endfilter %}{% endfor %}z
{% generation %}abc{% endgeneration %}
{% generation %}¶abc¶{% endgeneration %}¶x
{%- generation -%} ¶abc¶ {%- endgeneration -%} ¶x
{% for m in messages %}{% generation %}{{ m.role }}{{ loop.index }}{% endgeneration %}{% endfor %}
{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}
{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% print 1, 'a' %}
{% print %}
{% do 1 %}
{% nope %}
{% endif %}
{% else %}
{% if %}{% endif %}
{% if true %}
{% if true %}{% endfor %}
{% if true %}{% else %}{% elif true %}{% endif %}
{% if true: %}a{% endif %}
{% 1 %}
{% %}
{{ }}
{{
{%
{#
{{ 1 }
{{ 1 %}
{% if true }}
}} %} #}
{ { } }
{{ '}}' }}{{ "%}" }}
{{ {'a': {'b': 1}}}}
{{ {'a': {'b': 1}} }}
{{ [1}} }}
{% if 'upper' is filter %}{{ 'a' | upper }}{% endif %}
{% if false %}{{ 'a' | nope }}{% endif %}ok
{% if true %}{{ 'a' | nope }}{% endif %}
{% if 'nope' is filter %}{{ 'a' | nope }}{% else %}no{% endif %}
{{ ('a' | nope) if false else 'b' }}
{% for x in el %}{{ x | nope }}{% endfor %}
{% if false %}{% for x in el %}{{ x | nope }}{% endfor %}{% endif %}
{% set j = joiner(', ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}
{% set j = joiner() %}{{ j() }}a{{ j() }}b{{ j() }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{% do c.reset() %}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.reset() }}{{ c.next() }}
{% set it = l | map('string') %}{{ it | list }}{{ it | list }}
{% set it = l | select('odd') %}{{ it | first }}{{ it | list }}
{% for g in users | groupby('age') %}{{ g.grouper }}:{{ g.list | map(attribute='name') | join('+') }};{% endfor %}
{% for age, people in users | groupby('age') %}{{ age }}:{{ people | length }};{% endfor %}
{% for row in l | batch(2) %}{{ row | join(',') }};{% endfor %}
{% for m in messages %}<|{{ m['role'] }}|>{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}¶{% endfor %}
{% for m in messages %}{% if m.tool_calls is defined and m.tool_calls is not none %}T{% else %}-{% endif %}{% endfor %}
{% for m in messages %}{{ '<|' + m.role + '|>' + (m.content or '') | trim }}{% endfor %}
{%- for m in messages %}{%- if loop.first and m.role != 'system' -%}x{%- endif -%}{{- m.role -}}{%- endfor %}
{% for tool in messages[2].tool_calls %}{%- set f = tool.function %}{{ f.name }}({% for k, v in f.arguments.items() %}{{ k }}={{ v }}{{ ', ' if not loop.last }}{% endfor %}){% endfor %}
{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}
{% set tools = [1] %}{{ tools }}
{% set x = messages %}{% set messages = messages[1:] %}{{ x | length }}{{ messages | length }}
{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set sys = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}{{ sys }}{{ loop_messages | length }}
{% include 'x' %}
{% import 'x' as y %}
{% from 'x' import y %}
{% extends 'x' %}
{% for x in l %}¶{% if x %}¶  a¶{% endif %}¶{% endfor %}¶b
{% if true %}¶  {% if true %}¶    x¶  {% endif %}¶{% endif %}¶
	{% if true %}	x	{% endif %}	y
x{% if true %}  ¶  {% endif %}  ¶y
{{ "a¶b" }}
{{ 1¶+¶2 }}
{{ 1 }}{{¶undefined_thing.x }}
{% set x¶=¶1 %}{{ x }}
a¶  {{ 1 }}¶  {# c #}{{ 2 }}¶  {# c #}¶b
{{ raise_exception('bad ' ~ n) }}
{% if no %}{{ raise_exception('x') }}{% endif %}ok
{{ [1, 2] is sameas [1, 2] }}
{{ namespace(a=1) }}{{ namespace() }}
{{ s[:5] ~ u[:3] }}{{ s[-5:] }}
{{ 'a' 'b' }}{{ 'a' ~ 'b' ~ 1 }}
{% set x = {'a': 1} %}{{ x.a }}{{ x['a'] }}{{ x.get('a') }}{{ x.b is defined }}
{% set x = dict(x=1) %}{% set y = dict(x, z=2) %}{{ y }}
{% for x in [1, 2, 3][::-1] %}{{ x }}{% endfor %}
{% for x in d.values() | list | sort %}{{ x }}{% endfor %}
{% for i in range(0, messages | length, 2) %}{{ messages[i].role }};{% endfor %}
{{ (messages | map(attribute='content') | select('string') | list)[-1] }}
{{ messages | selectattr('tool_calls', 'defined') | list | length }}
{{ undefined_thing.foo if undefined_thing is defined else 'no' }}
{{ (d.x or {}).y }}{{ (d.x or {}).y is defined }}
{{ d.a if d.a is defined and d.a > 1 else 0 }}
{% set a = [] %}{% set a = a + [1] %}{% set a = a + [2] %}{{ a }}
{% set x = 'a' %}{% set x = x ~ 'b' %}{{ x }}
{% macro sp(t) %}{%- for c in t -%}{{ c }}{%- endfor -%}{% endmacro %}{{ sp('a b') }}
{% if not (messages[0].role == 'user' and messages | length > 1) and n %}A{% endif %}
{%if true%}a{%endif%}{{1}}{{-2-}}{#x#}
{%-if true-%} a {%-endif-%}
{%- set x=1-%}{{x-1}}{{x -1}}
{{ 5-3 }}{{ -5-3 }}{{- 5 -}}
{% set _x = 1 %}{{ _x }}
{% set 日本 = 1 %}{{ 日本 }}
{{ '\u00e9' == 'é' }}{{ 'é' | length }}{{ 'é' }}
{{ ('x' * 5) | truncate(4, true, '', 0) }}
{% for x in l %}{{ x }}{% if loop.index == 2 %}{% break %}{% endif %}, {% endfor %}.
{% for k in d | sort %}{{ k }}:{{ d[k] }} {% endfor %}
""".strip("\n").split("\n")

# What Python prints differs from run to run or is refused by moiety on purpose.
UNSUPPORTED = [
    "{{ s.upper }}", "{{ l | map('upper') }}", "{{ [1, 2] | random }}", "{{ lipsum() }}", "{{ range }}",
    "{{ 'a'.encode('utf8') }}", "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 64 }}", "{{ big_int + big_int }}", "{{ big_int * 2 - 1 }}", "{{ self }}",
    "{{ 'a'.translate({}) }}",
    "{{ 99999999999999999999 }}", "{% block x %}{% endblock %}", "{% autoescape true %}{% endautoescape %}",
    "{{ '\\N{BULLET}' }}", "{{ 'x'.format_map({}) }}", "{{ n.bit_length() }}", "{{ strftime_now('%f') }}",
    "{{ 'a' | urlize }}", "{{ d.keys() == d.keys() }}", "{{ dict.fromkeys('ab') }}", "{{ d.fromkeys('ab') }}", "{{ '%a' % 'a' }}",
]


class Clock:
    """2024-07-26 13:37:09 instead of now."""

    @staticmethod
    def now():
        import datetime

        return datetime.datetime(2024, 7, 26, 13, 37, 9)


def run(source):
    try:
        template = _compile_jinja_template.__wrapped__(source)
        template.environment.globals["strftime_now"] = lambda format: Clock.now().strftime(format)
        defaults = {"tools": None, "documents": None, "add_generation_prompt": False}
        text = template.render(**defaults, **VARIABLES)
        text.encode()
        return {"template": source, "expected": text}
    except Exception as error:
        return {"template": source, "error": f"{type(error).__name__}: {error}"[:200]}


def main():
    sources = ["{{ " + e + " }}" for e in EXPRESSIONS if e]
    sources += [t.replace("¶", "\n") for t in TEMPLATES if t]
    sources += ["a\r\nb\rc\r\n", "{% if true %}\r\nx\r\n{% endif %}\r\n\r\n", "", "\n\n", "{{ 1 }}\r\n", "x\r"]
    cases = [run(source) for source in dict.fromkeys(sources)]
    for case in cases:
        if " at 0x" in case.get("expected", "") or "<class" in case.get("expected", ""):
            del case["expected"]
            case["error"] = "prints an object of Python"
    cases += [{"template": t, "error": "not supported by moiety"} for t in UNSUPPORTED]
    out = pathlib.Path(__file__).resolve().parents[1] / "data" / "templates"
    out.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    variables = json.dumps(VARIABLES, ensure_ascii=False)
    (out / "cases.json").write_text('{"variables": ' + variables + ',\n"cases": [\n' + lines + "\n]}\n")
    print(len(cases), "cases,", sum("error" in case for case in cases), "errors")


if __name__ == "__main__":
    main()
