import { inspect } from 'node:util';
import winston from 'winston';

export interface Logger {
  debug(message: string, context?: Record<string, unknown>): void;
  info(message: string, context?: Record<string, unknown>): void;
  warn(message: string, context?: Record<string, unknown>): void;
  error(message: string, context?: Record<string, unknown>): void;
  child(context: Record<string, unknown>): Logger;
}

/** From the least to the most that is written. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export function isLogLevel(word: string): word is LogLevel {
  return LOG_LEVELS.some((level) => level === word);
}

/**
 * JSON lines on standard output: `time`, `level`, `message`, `component` and the caller's context.
 * An Error in the context is written with its name, message, code and causes, never as `{}`.
 */
export function createLogger(options: { level: LogLevel; component: string }): Logger {
  return winston.createLogger({
    level: options.level,
    defaultMeta: { component: options.component },
    format: winston.format.combine(
      winston.format((info) => {
        for (const [key, value] of Object.entries(info)) {
          if (value instanceof Error) info[key] = describeError(value);
        }
        info['time'] = new Date().toISOString();
        return info;
      })(),
      winston.format.json(),
    ),
    transports: [new winston.transports.Console({ stderrLevels: [] })],
  });
}

interface ErrorDescription {
  name: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: ErrorDescription | string;
}

function describeError(error: Error): ErrorDescription {
  const description: ErrorDescription = { name: error.name, message: error.message };
  if ('code' in error && typeof error.code === 'string') description.code = error.code;
  if (error.stack !== undefined) description.stack = error.stack;
  if (error.cause instanceof Error) description.cause = describeError(error.cause);
  else if (error.cause !== undefined) description.cause = inspect(error.cause);
  return description;
}
