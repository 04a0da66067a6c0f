// SPDX-License-Identifier: Apache-2.0
// tuf-js and @tufjs/models behind one JSON object a line: {"op": …} in, {"ok": …} out. Long-lived, since
// starting Node for every step would cost more than the steps.
// usage: node tuf_js_peer.mjs FOLDER_WITH_NODE_MODULES    (tools/peers tuf-js prints it)
//
//   refresh, download   the client: metadata_dir, metadata_url, and targets, target_dir, target_url
//   build               the model library: writes the repository that repositories.py describes
//   canonical           the canonical form of a JSON text, in hex

import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const require = createRequire(path.join(path.resolve(process.argv[2]), 'here.js'));
const { Updater } = require('tuf-js');
const models = {
  ...require('@tufjs/models'),
  ...require('@tufjs/models/dist/role.js'), // not in its index
  ...require('@tufjs/models/dist/delegations.js'),
};
const { canonicalize } = require('@tufjs/canonical-json');

const SPEC = '1.0.31';
const encode = (name) => encodeURIComponent(name);
const digest = (kind, bytes) => crypto.createHash(kind).update(bytes).digest('hex');

// ---- the client

async function update(request) {
  const updater = new Updater({
    metadataDir: request.metadata_dir,
    metadataBaseUrl: request.metadata_url,
    targetDir: request.target_dir,
    targetBaseUrl: request.target_url,
    config: { fetchTimeout: 20000, fetchRetries: 0, fetchRetry: 0 },
  });
  await updater.refresh();
  for (const name of request.targets ?? []) {
    const info = await updater.getTargetInfo(name);
    if (!info) throw new Error(`no entitled role lists ${name}`);
    await updater.downloadTarget(info, path.join(request.target_dir, encode(name)));
  }
  return {};
}

// ---- the builder

const material = new Map(); // by name and type, for the life of this process

function makeMaterial(name, type) {
  const id = `${type} ${name}`;
  if (material.has(id)) return material.get(id);
  const kind = type.replace(/^rsa1024$/, 'rsa').replace(/^p384$/, 'ecdsa'); // what the key is said to be
  const pair = {
    ed25519: () => crypto.generateKeyPairSync('ed25519'),
    ecdsa: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    p384: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    rsa: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
    rsa1024: () => crypto.generateKeyPairSync('rsa', { modulusLength: 1024 }),
  }[type]();
  const pem = pair.publicKey.export({ type: 'spki', format: 'pem' });
  const raw = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
  const made = {
    ed25519: { keytype: 'ed25519', scheme: 'ed25519', value: raw, sign: (b) => crypto.sign(null, b, pair.privateKey) },
    ecdsa: { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', value: pem, sign: (b) => crypto.sign('sha256', b, pair.privateKey) },
    rsa: {
      keytype: 'rsa', scheme: 'rsassa-pss-sha256', value: pem,
      sign: (b) => crypto.sign('sha256', b, {
        key: pair.privateKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
      }),
    },
  }[kind];
  material.set(id, made);
  return made;
}

class Keyring {
  constructor(specs) {
    this.specs = specs;
    this.made = new Map();
  }

  get(name) {
    if (!this.made.has(name)) this.made.set(name, this.make(name, this.specs[name] ?? {}));
    return this.made.get(name);
  }

  make(name, spec) {
    const found = makeMaterial(spec.same_as ?? name, spec.type ?? 'ed25519');
    const fields = { keyType: found.keytype, scheme: found.scheme, keyVal: { public: found.value }, unrecognizedFields: spec.extra };
    const bare = new models.Key({ keyID: '', ...fields });
    const keyID = spec.id ?? digest('sha256', canonicalize(bare.toJSON()));
    return { keyID, key: new models.Key({ keyID, ...fields }), sign: found.sign };
  }

  ids(names) { return names.map((name) => this.get(name).keyID); }
  map(names) { return Object.fromEntries(names.map((name) => [this.get(name).keyID, this.get(name).key])); }
}

// "$keyid:NAME" in an edit stands for the id of that key.
function resolve(value, keys) {
  if (typeof value === 'string') {
    return value.startsWith('$keyid:') ? keys.get(value.slice(7)).keyID : value;
  }
  if (Array.isArray(value)) return value.map((item) => resolve(item, keys));
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [resolve(name, keys), resolve(item, keys)]));
  }
  return value;
}

function applyEdits(document, edits, keys) {
  for (const [where, value] of edits ?? []) {
    const steps = where.map((step) => resolve(step, keys));
    const last = steps.pop();
    const place = steps.reduce((at, step) => at[step], document);
    if (value && value.$delete) delete place[last];
    else if (last === '$append') place.push(resolve(value, keys));
    else place[last] = resolve(value, keys);
  }
}

function canonicalOrText(document) {
  try {
    return Buffer.from(canonicalize(document));
  } catch { // the library has no canonical form of a float; an attacker signs something
    return Buffer.from(JSON.stringify(document));
  }
}

function spoilSignatures(list, how, keys) {
  if (how === 'none') return [];
  if (how === 'wrong') return list.map((s) => ({ ...s, sig: s.sig.replace(/^../, (two) => (two === '00' ? '01' : '00')) }));
  if (how === 'upper-case') return list.map((s) => ({ ...s, sig: s.sig.toUpperCase() }));
  if (how === 'neutral') return list.map((s) => ({ ...s, sig: `01${'00'.repeat(63)}` }));
  if (how === 'duplicated') return [...list, ...list];
  if (how === 'many') {
    return [...Array.from({ length: 100 }, (_, i) => ({ keyid: digest('sha256', `${i}`), sig: '00' })), ...list];
  }
  if (how === 'with-strangers') return [{ keyid: digest('sha256', 'stranger'), sig: '' }, ...list];
  return list;
}

function fileText(role, signed, keys) {
  const metadata = new models.Metadata(signed);
  const signers = role.signers.map((name) => keys.get(name));
  for (const signer of signers) {
    metadata.sign((bytes) => new models.Signature({ keyID: signer.keyID, sig: signer.sign(bytes).toString('hex') }));
  }
  const document = metadata.toJSON();
  if (role.edits?.length) {
    applyEdits(document.signed, role.edits, keys);
    const bytes = canonicalOrText(document.signed);
    document.signatures = signers.map((s) => ({ keyid: s.keyID, sig: s.sign(bytes).toString('hex') }));
  }
  document.signatures = spoilSignatures(document.signatures, role.signatures, keys);
  let text = JSON.stringify(document);
  for (const [from, to] of role.replace ?? []) {
    if (!text.includes(from)) throw new Error(`nothing to replace: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}

function common(role) {
  const fields = { ...(role.extra ?? {}) };
  if (role.pad) fields['x-pad'] = 'a'.repeat(role.pad);
  return { version: role.version, specVersion: role.spec ?? SPEC, expires: role.expires, unrecognizedFields: fields };
}

function rootOf(role, keys) {
  const names = Object.values(role.roles).flatMap((r) => r.keys);
  const roles = Object.fromEntries(Object.entries(role.roles).map(([name, r]) => [
    name, new models.Role({ keyIDs: keys.ids(r.keys), threshold: r.threshold, unrecognizedFields: r.extra })]));
  return new models.Root({ ...common(role), consistentSnapshot: role.consistent, keys: keys.map(names), roles });
}

function delegationsOf(spec, keys) {
  if (spec.succinct) {
    const s = spec.succinct;
    return new models.Delegations({
      keys: keys.map(s.keys),
      succinctRoles: new models.SuccinctRoles({ keyIDs: keys.ids(s.keys), threshold: s.threshold, bitLength: s.bit_length, namePrefix: s.prefix }),
    });
  }
  // By name, as the library keeps them; JavaScript moves names that look like numbers to the front.
  const roles = Object.fromEntries(spec.roles.map((r) => [r.name, new models.DelegatedRole({
    name: r.name, keyIDs: keys.ids(r.keys), threshold: r.threshold, terminating: r.terminating,
    paths: r.paths, pathHashPrefixes: r.path_hash_prefixes,
  })]));
  const made = new models.Delegations({ keys: keys.map(spec.roles.flatMap((r) => r.keys)), roles });
  const plain = made.toJSON.bind(made);
  made.toJSON = () => ({ ...plain(), roles: spec.roles.map((r) => roles[r.name].toJSON()) });
  return made;
}

function targetsOf(role, keys) {
  const targets = Object.fromEntries(Object.entries(role.targets ?? {}).map(([name, t]) => {
    const kinds = t.hashes ?? ['sha256'];
    return [name, new models.TargetFile({
      path: name, length: Buffer.byteLength(t.content),
      hashes: Object.fromEntries(kinds.map((kind) => [kind, digest(kind, t.content)])),
      unrecognizedFields: t.custom ? { custom: t.custom } : {},
    })];
  }));
  return new models.Targets({
    ...common(role), targets, delegations: role.delegations ? delegationsOf(role.delegations, keys) : undefined,
  });
}

function metaFileOf(role, text, hashed) {
  const fields = { version: role.version };
  if (hashed) Object.assign(fields, { length: Buffer.byteLength(text), hashes: { sha256: digest('sha256', text) } });
  return new models.MetaFile(fields);
}

function writeTargets(folder, world, roles) {
  for (const role of roles) {
    for (const [name, t] of Object.entries(role.targets ?? {})) {
      const { dir, base } = path.posix.parse(name);
      if (name.startsWith('/') || name.split('/').includes('..')) continue; // only listed, never served
      const place = path.join(folder, 'targets', dir);
      fs.mkdirSync(place, { recursive: true });
      const content = world.serve?.[name] ?? t.content;
      for (const kind of t.hashes ?? ['sha256']) {
        fs.writeFileSync(path.join(place, world.consistent ? `${digest(kind, t.content)}.${base}` : base), content);
      }
    }
  }
}

function build({ folder, world }) {
  const keys = new Keyring(world.keys);
  const metadata = path.join(folder, 'metadata');
  fs.mkdirSync(metadata, { recursive: true });
  const write = (role, text, versioned) => {
    if (role.missing) return;
    const version = role.serve_as ?? role.version;
    fs.writeFileSync(path.join(metadata, versioned ? `${version}.${encode(role.name)}.json` : `${encode(role.name)}.json`), text);
  };
  for (const root of world.roots) write(root, fileText(root, rootOf(root, keys), keys), true);
  const meta = {};
  const roles = [world.targets, ...world.delegated];
  for (const role of roles) {
    const text = fileText(role, targetsOf(role, keys), keys);
    write(role, text, world.consistent);
    if (!role.unlisted) meta[`${role.name}.json`] = metaFileOf(role, text, world.hashed);
  }
  const snapshot = fileText(world.snapshot, new models.Snapshot({ ...common(world.snapshot), meta }), keys);
  write(world.snapshot, snapshot, world.consistent);
  const timestamp = new models.Timestamp({ ...common(world.timestamp), snapshotMeta: metaFileOf(world.snapshot, snapshot, world.hashed) });
  write(world.timestamp, fileText(world.timestamp, timestamp, keys), false);
  writeTargets(folder, world, roles);
  return {};
}

// ---- the loop

const operations = {
  refresh: update,
  download: update,
  build,
  canonical: ({ text }) => ({ hex: Buffer.from(canonicalize(JSON.parse(text))).toString('hex') }),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { ok: true, ...(await operations[request.op](request)) };
  } catch (error) {
    answer = { ok: false, error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
