import { describe, expect, test } from 'vitest';
import { PlistError, readPlist } from './plist.ts';

const HEAD = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
`;
const read = (body: string, head = HEAD) =>
  readPlist(Buffer.from(`${head}<plist version="1.0">${body}</plist>\n`));

describe('a property list', () => {
  test('is read as Apple writes it', () => {
    const list = read(`
<dict>
	<!-- a comment -->
	<key>Name</key>
	<string>a &amp; b &lt;&#x41;&#66;&gt;</string>
	<key>Chain</key>
	<array>
		<data>
		AAEC
		Aw==
		</data>
		<data></data>
		<data/>
	</array>
	<key>On</key>
	<true/>
	<key>Empty</key>
	<dict/>
	<key>Count</key>
	<integer>-3</integer>
</dict>`);
    expect(list).toEqual(
      new Map<string, unknown>([
        ['Name', 'a & b <AB>'],
        ['Chain', [new Uint8Array([0, 1, 2, 3]), new Uint8Array(), new Uint8Array()]],
        ['On', true],
        ['Empty', new Map()],
        ['Count', '-3'],
      ]),
    );
  });

  test('stores a key of any name as plain data', () => {
    expect(
      read('<dict><key>__proto__</key><dict><key>x</key><string>1</string></dict></dict>'),
    ).toEqual(new Map([['__proto__', new Map([['x', '1']])]]));
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test.each<[string, () => unknown]>([
    [
      'declares entities',
      () => read('<string>&b;</string>', '<!DOCTYPE plist [<!ENTITY a "xx"><!ENTITY b "&a;&a;">]>'),
    ],
    [
      'refers to a file',
      () =>
        read(
          '<string>&a;</string>',
          '<!DOCTYPE plist [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        ),
    ],
    ['has an undeclared entity', () => read('<string>&a;</string>')],
    ['has a single ampersand', () => read('<string>a & b</string>')],
    ['has an invalid character number', () => read('<string>&#1114112;</string>')],
    ['is nested too deeply', () => read('<array>'.repeat(50_000) + '</array>'.repeat(50_000))],
    [
      'ends in the middle',
      () => readPlist(Buffer.from(`${HEAD}<plist version="1.0"><dict><key>a</key><str`)),
    ],
    [
      'continues after its end',
      () => readPlist(Buffer.from('<plist><true/></plist><plist><false/></plist>')),
    ],
    ['has a key twice', () => read('<dict><key>a</key><true/><key>a</key><false/></dict>')],
    ['has a key without a value', () => read('<dict><key>a</key></dict>')],
    ['has a value without a key', () => read('<dict><true/></dict>')],
    ['has data that is not base64', () => read('<data>!!!</data>')],
    ['closes another element than it opened', () => read('<array></dict>')],
    ['has an element that Apple does not define', () => read('<set/>')],
    ['has attributes', () => read('<string xmlns="x">a</string>')],
    ['has sections of raw text', () => read('<string><![CDATA[a]]></string>')],
    ['is not UTF-8', () => readPlist(new Uint8Array([0xff, 0xfe, 0x3c]))],
    ['is the binary form', () => readPlist(Buffer.from('bplist00\x5f\x10'))],
    ['is empty', () => readPlist(new Uint8Array())],
  ])('that %s is refused', (_, reading) => {
    expect(reading).toThrow(PlistError);
  });
});
