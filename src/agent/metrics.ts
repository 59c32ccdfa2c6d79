import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

export interface AgentMetrics {
  profilesLoaded: Gauge;
  /** By `state`: Failed, Conflict, Retained. */
  problems: Gauge<'state'>;
  /** By `result`: `ok` or the reason of the failure. */
  compileSeconds: Histogram<'result'>;
  /** By `result`: `ok` or the reason of the failure. */
  loads: Counter<'result'>;
  /** By `what`: Unloaded, Replaced, ModeChanged, TakenOver. */
  driftCorrected: Counter<'what'>;
  /** By `result`: ok, or why a profile that was to be removed stayed. */
  unloads: Counter<'result'>;
  /** By `result`: ok or error. */
  reportWrites: Counter<'result'>;
}

export function createAgentMetrics(registry: Registry): AgentMetrics {
  const registers = [registry];
  return {
    profilesLoaded: new Gauge({
      name: 'apparmor_agent_profiles_loaded',
      help: 'Profiles of AppArmorProfiles that the kernel holds, as it said itself',
      registers,
    }),
    problems: new Gauge({
      name: 'apparmor_agent_problems',
      help: 'Problems in the status of the AppArmorNode',
      labelNames: ['state'],
      registers,
    }),
    compileSeconds: new Histogram({
      name: 'apparmor_agent_compile_seconds',
      help: 'Wall-clock time of apparmor_parser for one policy',
      labelNames: ['result'],
      buckets: [0.1, 0.3, 1, 3, 10, 30, 100],
      registers,
    }),
    loads: new Counter({
      name: 'apparmor_agent_loads_total',
      help: 'Policies written to the kernel',
      labelNames: ['result'],
      registers,
    }),
    driftCorrected: new Counter({
      name: 'apparmor_agent_drift_corrected_total',
      help: 'Profiles put right after something else had unloaded, replaced or switched them, and those taken over',
      labelNames: ['what'],
      registers,
    }),
    unloads: new Counter({
      name: 'apparmor_agent_unloads_total',
      help: 'Removals of profiles that nobody wants from the kernel',
      labelNames: ['result'],
      registers,
    }),
    reportWrites: new Counter({
      name: 'apparmor_agent_report_writes_total',
      help: 'Writes of the status of the AppArmorNode',
      labelNames: ['result'],
      registers,
    }),
  };
}
