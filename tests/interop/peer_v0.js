'use strict';
// rsocket-js 0.0.27 behind the interface that the tests share; see peers.js.

const crypto = require('crypto');
const net = require('net');

const {PeerError, once} = require('./outcome');

module.exports = function (load) {
  const core = load('rsocket-core');
  const {Flowable, Single} = load('rsocket-flowable');
  const TcpClient = load('rsocket-tcp-client').default;
  const TcpServer = load('rsocket-tcp-server').default;

  function to_error(error) {
    const source = error.source || error;
    return new PeerError(source.code, source.message);
  }

  // A peer that fails after it was closed would end this process: the library has let go of the
  // socket's error events by then.
  function keep_quiet(transport) {
    const setup = transport.setupSocket;
    transport.setupSocket = function (socket) {
      const remove = socket.removeAllListeners;
      socket.removeAllListeners = function (...which) {
        remove.apply(this, which);
        return this.on('error', () => {});
      };
      setup.call(this, socket);
    };
  }

  // Sends what iterators give, as far as the peer has asked; after the last one the end.
  function under_credit(to, cancelled) {
    let room = 0, over = false;
    const waiting = [];
    const work = () => {
      try {
        while (!over && room > 0 && waiting.length > 0) {
          const {values, more} = waiting[0];
          const next = values.next();
          if (!next.done) {
            --room;
            to.onNext({data: next.value});
            continue;
          }
          waiting.shift();
          if (!more) { over = true; to.onComplete(); }
        }
      } catch (e) {
        over = true;
        to.onError(e);
      }
    };
    to.onSubscribe({
      request: (more) => { room += more; work(); },
      cancel: () => { over = true; cancelled(); },
    });
    return {
      send: (values, more = false) => {
        waiting.push({values: values[Symbol.iterator](), more});
        setImmediate(work);
      },
      stop: () => { over = true; },
    };
  }

  // The library leaves it to its users to connect again.
  function resuming(dial) {
    const transport = new core.RSocketResumableTransport(dial, {
      bufferSize: 1 << 24, resumeToken: crypto.randomBytes(16), sessionDurationSeconds: 60,
    }, core.BufferEncoders);
    let connected = false;
    transport.connectionStatus().subscribe({
      onSubscribe: (s) => s.request(Number.MAX_SAFE_INTEGER),
      onNext: (status) => {
        connected = connected || status.kind === 'CONNECTED';
        if (connected && status.kind === 'NOT_CONNECTED') setTimeout(() => transport.connect(), 5);
      },
    });
    return transport;
  }

  function observe(subscribe) {
    const result = once();
    let cancel = null;
    subscribe(result, (c) => { cancel = c; });
    return {promise: result.promise, cancel: () => cancel()};
  }

  function connection(socket, closed) {
    const collect = (flowable, n) => observe((result, cancellable) => {
      const values = [];
      flowable.subscribe({
        onSubscribe: (s) => { cancellable(() => s.cancel()); s.request(n); },
        onNext: (payload) => values.push(payload.data),
        onComplete: () => result.resolve(values),
        onError: (e) => result.reject(to_error(e)),
      });
    });
    // A stream under way.
    const open = (flowable, n) => {
      const ended = once();
      const s = {values: [], ended: ended.promise};
      ended.promise.catch(() => {});
      flowable.subscribe({
        onSubscribe: (to) => {
          s.request = (more) => to.request(more);
          s.cancel = () => to.cancel();
          to.request(n);
        },
        onNext: (payload) => s.values.push(payload.data),
        onComplete: () => ended.resolve(),
        onError: (e) => ended.reject(to_error(e)),
      });
      return s;
    };
    return {
      open_stream: (payload, n) => open(socket.requestStream(payload), n),
      open_channel: (payloads, n) =>
        open(socket.requestChannel(Flowable.just(...payloads)), n),
      request: (payload) => observe((result, cancellable) => {
        socket.requestResponse(payload).subscribe({
          onSubscribe: (c) => cancellable(c),
          onComplete: (reply) => result.resolve(reply && reply.data),
          onError: (e) => result.reject(to_error(e)),
        });
      }),
      fire_and_forget: (payload) => socket.fireAndForget(payload),
      stream: (payload, n) => collect(socket.requestStream(payload), n),
      channel: (payload, n) => collect(socket.requestChannel(Flowable.just(payload)), n),
      closed,
      close: () => socket.close(),
    };
  }

  return {
    name: 'rsocket-js 0.0.27',
    can_fragment: false,
    meta: core,

    connect({port, data_type, metadata_type, keep_alive = 60000, lifetime = 300000, lease,
             setup_data, resume}) {
      const dial = () => {
        const link = new TcpClient({host: '127.0.0.1', port}, core.BufferEncoders);
        keep_quiet(link);
        return link;
      };
      const transport = resume ? resuming(dial) : dial();
      const ended = once();
      const leases = new core.Leases();
      const client = new core.RSocketClient({
        setup: {dataMimeType: data_type, metadataMimeType: metadata_type, keepAlive: keep_alive,
                lifetime, payload: setup_data && {data: setup_data}},
        errorHandler: (e) => ended.resolve(to_error(e)),
        leases: lease ? () => leases : undefined,
        transport,
      });
      return new Promise((resolve, reject) => {
        client.connect().subscribe({
          onSubscribe: () => {},
          onError: reject,
          onComplete: (socket) => {
            socket.connectionStatus().subscribe({
              onSubscribe: (s) => s.request(Number.MAX_SAFE_INTEGER),
              onNext: (status) => {
                // The errorHandler, which knows more, comes after this.
                if (status.kind === 'CLOSED' || status.kind === 'ERROR')
                  setImmediate(() => ended.resolve(status.error && to_error(status.error)));
              },
            });
            resolve(connection(socket, ended.promise));
          },
        });
      });
    },

    serve(port, service) {
      const server = new core.RSocketServer({
        getRequestHandler: () => {
          service.connected();
          return {
            requestResponse: (payload) => new Single((subscriber) => {
              const call = service.call(payload);
              subscriber.onSubscribe(() => call.cancel());
              call.promise.then((data) => subscriber.onComplete({data}),
                                (e) => subscriber.onError(e));
            }),
            fireAndForget: (payload) => service.fire_and_forget(payload),
            requestStream: (payload) => new Flowable((to) => {
              const out = under_credit(to, () => service.stopped());
              out.send(service.stream(payload));
            }),
            requestChannel: (payloads) => new Flowable((to) => {
              let from, handler;
              const out = under_credit(to, () => { from.cancel(); service.stopped(); });
              payloads.subscribe({
                onSubscribe: (s) => { from = s; s.request(1); },
                onNext: (payload) => {
                  handler = handler || service.channel(payload);
                  out.send(handler.value(payload.data), true);
                  from.request(1);
                },
                onComplete: () => out.send(handler.end()),
                onError: () => { out.stop(); service.stopped(); },
              });
            }),
          };
        },
        transport: new TcpServer({
          host: '127.0.0.1', port,
          serverFactory: (on_connection) => {
            const listener = net.createServer((socket) => {
              socket.on('error', () => {});
              on_connection(socket);
            });
            listener.on('listening', () => service.listening(listener.address().port));
            return listener;
          },
        }, core.BufferEncoders),
      });
      server.start();
    },
  };
};
