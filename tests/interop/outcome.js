'use strict';
// What the peers' ways to say how something ended are turned into.

// An ERROR frame, or what the library says of a lost connection (without code).
class PeerError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function once() {
  const self = {};
  self.promise = new Promise((resolve, reject) => Object.assign(self, {resolve, reject}));
  return self;
}

module.exports = {PeerError, once};
