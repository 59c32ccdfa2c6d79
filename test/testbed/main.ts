import { prepare } from './artefacts.ts';
import { defaultCacheFolder } from './cache.ts';
import {
  findHeldCluster,
  HeldClusterError,
  holdCluster,
  howToReach,
  runOnHeldNode,
  startHeldCluster,
  stopHeldCluster,
} from './held-cluster.ts';
import { imageBinaries } from './image-binaries.ts';
import { operatorImage } from './image.ts';
import { interruption, InterruptedError } from './process.ts';

const USAGE = `usage: main.ts {prepare|up|down|shell|hold}
  prepare  make all that clusters are started from
  up       start a cluster and leave it running
  down     end it
  shell NODE COMMAND
           run a command, or words, as root on a node of it
  hold     start a cluster and keep it until this process is told to end; what up runs in the background
`;

const signal = interruption();
const cache = { folder: defaultCacheFolder(process.env), log: console.log, signal };

try {
  process.exitCode = await run(process.argv[2] ?? '');
} catch (error) {
  const expected = error instanceof HeldClusterError || error instanceof InterruptedError;
  console.error(expected ? error.message : error);
  process.exitCode = 1;
}

async function run(command: string): Promise<number> {
  switch (command) {
    case 'prepare':
      await Promise.all([prepare(cache), imageBinaries(cache)]);
      await operatorImage(cache);
      return 0;
    case 'up': {
      const held = (await findHeldCluster(cache)) ?? (await startHeldCluster(cache));
      console.log(howToReach(held));
      return 0;
    }
    case 'down':
      console.log((await stopHeldCluster(cache)) ? 'the cluster has ended' : 'no cluster is up');
      return 0;
    case 'shell': {
      const [node = '', ...command] = process.argv.slice(3);
      const { stdout, stderr, code } = await runOnHeldNode(cache, node, command);
      process.stdout.write(stdout);
      process.stderr.write(stderr);
      return code;
    }
    case 'hold':
      await holdCluster(cache, signal);
      return 0;
    default:
      process.stderr.write(USAGE);
      return 2;
  }
}
