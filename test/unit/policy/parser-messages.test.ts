import { expect } from 'chai';
import { readParserMessages, type ParserMessage } from '../../../src/policy/parser-messages.ts';

const FILE = '/var/scratch/compile-x/0123';
const BASE = '/etc/apparmor.d';

function read(stderr: string, text = '') {
  return readParserMessages({ stderr, text, textFile: FILE, basePath: BASE });
}

const TEXT = `include <tunables/global>
profile a {
  # @{PROC} in a comment
  @{PROC}/x r,
}
profile "b c" {
  file,
}
profile "b c" {
}
`;

/** As apparmor_parser 3.0.8 and 4.1.0 write them. */
const ERRORS: readonly [title: string, stderr: string, message: ParserMessage][] = [
  [
    'an error in the text',
    `AppArmor parser error for ${FILE} in profile ${FILE} at line 3: syntax error, unexpected TOK_CLOSE, expecting TOK_MODE\n`,
    { message: 'syntax error, unexpected TOK_CLOSE, expecting TOK_MODE', line: 3 },
  ],
  [
    'an error in an include',
    `AppArmor parser error for ${FILE} in profile ${BASE}/local/bad at line 12: syntax error\n`,
    { message: 'syntax error (line 12 of local/bad)', file: 'local/bad' },
  ],
  [
    'an error in an include out of the tree',
    `AppArmor parser error for ${FILE} in profile ${BASE}/../passwd at line 1: syntax error\n`,
    { message: 'syntax error (line 1 of /etc/passwd)', file: '/etc/passwd' },
  ],
  [
    'an error at the end of all files',
    `AppArmor parser error for ${FILE} at line 9: syntax error, unexpected end of file\n`,
    { message: 'syntax error, unexpected end of file', line: 9 },
  ],
  [
    'an error without a file',
    'AppArmor parser error at line 4: x: y at line 5: z\n',
    { message: 'x: y at line 5: z', line: 4 },
  ],
  [
    'a missing include',
    `AppArmor parser error for ${FILE} in profile ${FILE} at line 1: Could not open 'abi/4.0': No such file or directory\n`,
    { message: "Could not open 'abi/4.0': No such file or directory", line: 1 },
  ],
  [
    'a message that ends in blank lines',
    `AppArmor parser error for ${FILE} in profile ${FILE} at line 1: Empty named transition profile name: \n\n`,
    { message: 'Empty named transition profile name:', line: 1 },
  ],
  [
    'a variable without value: its first use',
    'Found reference to variable PROC, but is never declared\n',
    { message: 'Found reference to variable PROC, but is never declared', line: 4 },
  ],
  [
    'a variable without value that only an include uses',
    'Found reference to variable HOME, but is never declared\n',
    { message: 'Found reference to variable HOME, but is never declared' },
  ],
  [
    'a profile that is defined twice: the second',
    'Multiple definitions for profile b c exist,bailing out.\n',
    { message: 'Multiple definitions for profile b c exist,bailing out.', line: 9 },
  ],
  [
    'conflicting rules: their profile, and no summary',
    'ERROR merging rules for profile a, failed to load\nprofile a: has merged rule /bin/bash with conflicting x modifiers\n',
    { message: 'profile a: has merged rule /bin/bash with conflicting x modifiers', line: 2 },
  ],
  [
    'a summary, if there is nothing else',
    'ERROR expanding variables for profile a, failed to load\n',
    { message: 'ERROR expanding variables for profile a, failed to load', line: 2 },
  ],
  [
    'a complaint of the regular expressions',
    `/usr/sbin/apparmor_parser: Regex grouping error in ${FILE}: Unclosed grouping\n`,
    { message: 'Regex grouping error in the policy: Unclosed grouping' },
  ],
];

describe('readParserMessages', () => {
  for (const [title, stderr, message] of ERRORS) {
    it(`reads ${title}`, () => {
      expect(read(stderr, TEXT).errors[0]).to.deep.equal(message);
    });
  }

  it('reads nothing from nothing', () => {
    expect(read('\n')).to.deep.equal({ errors: [], warnings: [] });
  });

  it('tells warnings from errors, and where they belong', () => {
    const stderr =
      `Warning from ${FILE} (${FILE} line 7): deprecated use of '#include'\n` +
      `Warning from ${FILE} (${BASE}/abstractions/base line 2): deprecated\n` +
      `Warning from stdin (line 1): ${FILE}: missing feature abi\n` +
      `AppArmor parser error for ${FILE} in profile ${FILE} at line 8: syntax error\n`;
    expect(read(stderr)).to.deep.equal({
      errors: [{ message: 'syntax error', line: 8 }],
      warnings: [
        { message: "deprecated use of '#include'", line: 7 },
        { message: 'deprecated (line 2 of abstractions/base)', file: 'abstractions/base' },
        { message: 'the policy: missing feature abi (line 1 of stdin)', file: 'stdin' },
      ],
    });
  });

  it('reads what the features lack, as 4.1 says it: with the line of the profile', () => {
    const stderr =
      `Warning from profile a (${FILE}): userns rules not enforced\n` +
      `Warning from profile a (${FILE}): mount rules not enforce\n` +
      `Warning from profile b c (${FILE}): extended network unix socket rules not enforced\n` +
      `Warning from ${FILE} (${FILE} line 12): profile a network rules not enforced\n` +
      `Warning from profile from//an-include (${FILE}): mqueue rules not enforced\n` +
      `Warning from profile a (${FILE}): downgrading extended network unix socket rule to generic network rule\n`;
    expect(read(stderr, TEXT)).to.deep.equal({
      errors: [],
      warnings: [
        { message: 'userns rules not enforced', line: 2 },
        { message: 'mount rules not enforce', line: 2 },
        { message: 'extended network unix socket rules not enforced', line: 9 },
        { message: 'network rules not enforced', line: 2 },
        { message: 'mqueue rules not enforced' },
        { message: 'downgrading extended network unix socket rule to generic network rule', line: 2 },
      ],
    });
  });

  it('counts the line ends in quoted words, which the parser does not', () => {
    const text = 'profile "a\n\nb" {\n  file,\n  bad\n}\n';
    const at = (line: number) =>
      read(`AppArmor parser error for ${FILE} in profile ${FILE} at line ${line}: x\n`, text).errors[0]?.line;
    expect([1, 2, 3, 4].map(at)).to.deep.equal([1, 4, 5, 6]);
  });

  it('cuts endless messages', () => {
    expect(read('x'.repeat(5000)).errors[0]?.message).to.match(/^x{999}…$/);
  });

  it('is not led astray by names that look like its patterns', () => {
    expect(read('Found reference to variable (.*)+$, but is never declared\n', TEXT).errors[0]).to.not.have.property(
      'line',
    );
    expect(read('profile .*: x\n', TEXT).errors[0]).to.not.have.property('line');
  });
});
