// Session serves one connection: it reads requests one after the other, hands each to the handler, and
// afterwards makes the connection ready for the next one or closes it. SessionHost is what the sessions of
// one thread share. Everything runs on the thread of the stream; the host outlives its sessions, and a
// session outlives its run().
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/metrics.h"
#include "common/net/byte_stream.h"
#include "common/rng.h"
#include "gateway/http/exchange.h"
#include "gateway/http/input_buffer.h"
#include "gateway/http/parser.h"
#include "gateway/http/session_exchange.h"
#include "gateway/http/session_host.h"

namespace gabion::gateway::http {

class Session {
 public:
  Session(SessionHost& host, std::unique_ptr<net::ByteStream> stream);

  // Returns when the connection is closed.
  task<void> run();
  // The request under way is finished and answered with "Connection: close"; an idle connection is dropped.
  void drain();
  // Drops the connection whatever it is doing.
  void abort() { stream_->abort(); }

 private:
  enum class Arrival { request, closed };
  task<Arrival> read_head();
  task<void> refuse(Refusal refusal);
  task<bool> serve_request();  // whether the connection can take another one

  SessionHost& host_;
  const std::unique_ptr<net::ByteStream> stream_;
  InputBuffer input_;
  RequestParser parser_;
  SessionExchange exchange_;
  bool idle_ = true;
  bool draining_ = false;
  bool first_request_ = true;
};

}  // namespace gabion::gateway::http
