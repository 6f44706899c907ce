'use strict';
// The two foreign libraries behind one interface:
//
//   peer.connect({port, data_type, metadata_type, …}) → Promise of a connection:
//     .request({data, metadata})          {promise of the reply's data, cancel()}
//     .fire_and_forget({data, metadata})
//     .stream(payload, n), .channel(…)    {promise of all data, cancel()}
//     .open_stream(payload, n), .open_channel(payloads, n)
//                                         {values so far, request(n), cancel(), promise `ended`}
//     .closed                             promise of the PeerError it ended with, or undefined
//     .close()
//   peer.serve(port, service)             service: see service.js
//   peer.meta                             the library's own encoders of metadata
//
// The packages are those that run.sh has installed in TENON_INTEROP_DIR.

const {createRequire} = require('module');
const path = require('path');

const installed = process.env.TENON_INTEROP_DIR;
if (!installed) throw new Error('TENON_INTEROP_DIR is not set: start this through run.sh');

function peer(version) {
  const load = createRequire(path.resolve(installed, version, 'package.json'));
  return require(`./peer_${version}.js`)(load);
}

module.exports = {peer, peers: () => ['v0', 'v1'].map(peer)};
