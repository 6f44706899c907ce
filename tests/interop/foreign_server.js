'use strict';
//   node foreign_server.js v0|v1 [PORT]
// Serves service.js with one of the libraries and prints the port.

const {peer} = require('./peers');
const {make_service} = require('./service');

const [version, port = '0'] = process.argv.slice(2);
const library = peer(version);
library.serve(Number(port), make_service(library.meta, (at) => console.log(`listening on ${at}`)));
