// npm scripts find the Node.js of node_modules (packages node-linux-*) before the machine's. Where those optional
// packages could not be installed, say so, rather than let the first newer API fail.
const wanted = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major !== wanted) {
  console.error(`Node.js ${wanted} is missing, this is ${process.versions.node}: npm ci --include=optional`);
  process.exitCode = 1;
}
