// SPDX-License-Identifier: Apache-2.0
// tuf-js in the TUF benchmark; NODE_PATH says where its node_modules are. Prints one JSON object.
//
//   client URL ROOT DIR PATH   a cold refresh into the empty DIR, then PATH looked up
//   empty                      its modules loaded, nothing done
//   verify ROOT FILE RUNS      the check of one targets file, RUNS times
'use strict';

const fs = require('fs');
const path = require('path');
const { performance } = require('perf_hooks');
const { Updater } = require('tuf-js');
const { Metadata, MetadataKind } = require('@tufjs/models');

const MAX_FILE_BYTES = 64 << 20;

// Microseconds of user and system time since `start`.
function cpuSince(start) {
  const used = process.cpuUsage(start);
  return used.user + used.system;
}

async function client(url, root, directory, target) {
  fs.copyFileSync(root, path.join(directory, 'root.json'));
  const wall = performance.now();
  const cpu = process.cpuUsage();
  const updater = new Updater({
    metadataDir: directory,
    metadataBaseUrl: url + 'metadata',
    config: {
      rootMaxLength: MAX_FILE_BYTES,
      snapshotMaxLength: MAX_FILE_BYTES,
      targetsMaxLength: MAX_FILE_BYTES,
    },
  });
  await updater.refresh();
  const found = await updater.getTargetInfo(target);
  return {
    wall_us: Math.round((performance.now() - wall) * 1000),
    cpu_us: cpuSince(cpu),
    length: found.length,
    sha256: found.hashes.sha256,
  };
}

function accepted(root, bytes) {
  try {
    const targets = Metadata.fromJSON(MetadataKind.Targets, JSON.parse(bytes.toString('utf8')));
    root.verifyDelegate('targets', targets);
    return !targets.signed.isExpired();
  } catch (error) {
    return false;
  }
}

async function verify(rootFile, file, runs) {
  const rootJson = JSON.parse(fs.readFileSync(rootFile, 'utf8'));
  const root = Metadata.fromJSON(MetadataKind.Root, rootJson);
  const bytes = fs.readFileSync(file);
  const times = [];
  let good = false;
  for (let left = Number(runs); left > 0; left -= 1) {
    const cpu = process.cpuUsage();
    good = accepted(root, bytes);
    times.push(cpuSince(cpu));
  }
  return { accepted: good, cpu_us: times };
}

async function empty() {
  const entry = require.resolve('tuf-js');
  const folder = entry.slice(0, entry.lastIndexOf('tuf-js') + 'tuf-js'.length);
  const about = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  return { version: about.version, runtime: process.versions.node };
}

const commands = { client, verify, empty };

commands[process.argv[2]](...process.argv.slice(3)).then(
  (answer) => console.log(JSON.stringify(answer)),
  (error) => {
    console.error(String(error));
    process.exitCode = 1;
  },
);
