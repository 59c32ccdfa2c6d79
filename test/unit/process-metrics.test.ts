import { expect } from 'chai';
import { Registry } from 'prom-client';
import { addProcessMetrics } from '../../src/process-metrics.ts';

describe('addProcessMetrics', () => {
  it('tells what the process uses, and not a histogram that would wake it all the time', async () => {
    const registry = new Registry();
    addProcessMetrics(registry);
    const names = (await registry.getMetricsAsJSON()).map(({ name }) => name);
    expect(names).to.include.members(['process_cpu_seconds_total', 'process_resident_memory_bytes']);
    expect(names.filter((name) => name.startsWith('nodejs_eventloop'))).to.deep.equal(['nodejs_eventloop_lag_seconds']);
  });
});
