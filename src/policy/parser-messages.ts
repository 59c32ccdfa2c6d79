import { relative, resolve } from 'node:path';
import { printable } from './printable.ts';
import { positionsOf } from './position.ts';
import { scanPolicy } from './scan.ts';
import { readTokens } from './tokens.ts';

export interface ParserMessage {
  message: string;
  /** In the user's text; absent where the parser names none, or one of an included file. */
  line?: number;
  /** The included file, relative to the policy folder, where that is where it went wrong. */
  file?: string;
}

export interface ParserMessages {
  /** The most useful one first. */
  errors: readonly ParserMessage[];
  warnings: readonly ParserMessage[];
}

export interface ParsedInput {
  stderr: string;
  /** The user's text, and the file that the parser read it from. */
  text: string;
  textFile: string;
  basePath: string;
}

/**
 * What apparmor_parser wrote, with line numbers of the user's text. The parser prints numbers of two kinds of files, none at
 * all in its later stages, and does not count line ends inside quoted words (measured with 3.0.8 and 4.1).
 */
export function readParserMessages(input: ParsedInput): ParserMessages {
  const errors: ParserMessage[] = [];
  const warnings: ParserMessage[] = [];
  for (const line of joinContinuations(input.stderr)) {
    const warning = WARNING.exec(line)?.groups;
    const error = ERROR.exec(line)?.groups;
    const downgrade = DOWNGRADE.exec(line)?.groups;
    if (downgrade !== undefined) warnings.push(ofProfile(downgrade, input));
    else if (warning !== undefined) warnings.push(placed(warning, input));
    else if (error !== undefined) errors.push(placed(error, input));
    else errors.push(unplaced(line, input));
  }
  return { errors: errors.toSorted((a, b) => Number(isSummary(a)) - Number(isSummary(b))), warnings };
}

const ERROR =
  /^AppArmor parser error(?: for (?<top>.*?)(?: in profile (?<file>.*?))?)?(?: at)? line (?<line>\d+): (?<message>.*)$/s;
const WARNING = /^Warning from (?<top>.*?) \((?:(?<file>.*) )?line (?<line>\d+)\): (?<message>.*)$/s;
/**
 * That the features lack what a rule of a profile needs is said without a line, or with that of the end of the text; of mount
 * rules the parser says that they are "not enforce".
 */
const DOWNGRADE =
  /^Warning from (?:profile (?<name>.+?) \(.*?\)|.*? \(.*?line \d+\)): (?:profile (?<other>.+?) )?(?<message>[^:]*(?:not enforced?|downgrading)[^:]*)$/s;
/** Its C++ parts print the program's path in front. */
const PROGRAM = /^\/\S*apparmor_parser: /;
const LONGEST_MESSAGE = 1000;

/** A message of the parser may have line ends of its own, as "Empty named transition profile name: \n\n". */
function joinContinuations(stderr: string): readonly string[] {
  return stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function placed(groups: Record<string, string>, { text, textFile, basePath }: ParsedInput): ParserMessage {
  const line = Number(groups['line']);
  const file = groups['file'] ?? groups['top'] ?? textFile;
  const message = tidy(groups['message'] ?? '', textFile);
  if (file === textFile) return { message, line: lineInText(text, line) };
  const inside = relative(basePath, resolve(basePath, file));
  const included = inside.startsWith('..') ? resolve(basePath, file) : inside;
  return { message: `${message} (line ${line} of ${printable(included)})`, file: included };
}

function ofProfile(groups: Record<string, string>, { text, textFile }: ParsedInput): ParserMessage {
  const name = groups['name'] ?? groups['other'];
  const message = tidy(groups['message'] ?? '', textFile);
  const found = name === undefined ? undefined : lineOf(name, text);
  return found === undefined ? { message } : { message, line: found };
}

/** The later stages of the parser know profiles and variables, but no lines. */
function unplaced(line: string, { text, textFile }: ParsedInput): ParserMessage {
  const message = tidy(line, textFile);
  const found = lineOfVariable(text, line) ?? lineOfProfile(text, line);
  return found === undefined ? { message } : { message, line: found };
}

function lineOfVariable(text: string, message: string): number | undefined {
  const name = /^Found reference to variable (\w+), but is never declared/.exec(message)?.[1];
  if (name === undefined) return undefined;
  const use = new RegExp(`@(?:\\{${name}\\}|${name}(?![\\w]))`);
  const index = text.split('\n').findIndex((line) => !/^\s*#(?!include)/.test(line) && use.test(line));
  return index === -1 ? undefined : index + 1;
}

function lineOfProfile(text: string, message: string): number | undefined {
  const name =
    /^Multiple definitions for (?:profile|hat) (.+?) (?:in profile .+ )?exist,/.exec(message)?.[1] ??
    /^profile (.+?): /.exec(message)?.[1] ??
    / for profile (.+?), failed to load$/.exec(message)?.[1];
  return name === undefined ? undefined : lineOf(name, text);
}

function lineOf(profile: string, text: string): number | undefined {
  return scanPolicy(text).profiles.findLast(({ name }) => name === profile)?.position.line;
}

/** "ERROR merging rules for profile f, failed to load" follows what really is wrong. */
function isSummary({ message }: ParserMessage): boolean {
  return /^ERROR .* failed to load$/.test(message);
}

function tidy(message: string, textFile: string): string {
  const short = message.trim().replace(PROGRAM, '').replaceAll(textFile, 'the policy');
  return short.length > LONGEST_MESSAGE ? `${short.slice(0, LONGEST_MESSAGE - 1)}…` : short;
}

/** The line of the text that the parser means by `parserLine`. */
function lineInText(text: string, parserLine: number): number {
  const position = positionsOf(text);
  let line = parserLine;
  for (const at of quotedLineEnds(text)) {
    if (position(at).line >= line) break;
    line += 1;
  }
  return line;
}

function quotedLineEnds(text: string): readonly number[] {
  const tokens = readTokens(text);
  for (let token = tokens.next(); token.kind !== 'eof';) token = tokens.next();
  return tokens.quotedLineEnds;
}
