import { collectDefaultMetrics, type Registry } from 'prom-client';

/** What the part itself uses: processor, memory, descriptors, garbage collection. */
export function addProcessMetrics(register: Registry): void {
  // The histogram of the event loop's delay is taken by a timer, every 10 ms unless told otherwise: measured, it alone made an
  // idle agent wake 100 times a second, on every node. Once a minute costs nothing, and says nothing either.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 60_000 });
  for (const part of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']) {
    register.removeSingleMetric(`nodejs_eventloop_lag_${part}_seconds`);
  }
}
