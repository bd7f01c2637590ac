// RequestParser turns the bytes of one connection into request heads and bodies, and refuses everything about
// which two HTTP implementations might disagree: that is what request smuggling is made of. The outcome never
// depends on how the bytes were cut into reads. Heads are parsed by Beast, whole, with the rules added that
// it leaves open. Pure: no I/O, no clock. One connection, one thread.
//
// For each request: parse_head() on all bytes buffered until it says done, then next_body() until it says
// done.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "gateway/http/exchange.h"
#include "gateway/http/parser_types.h"

namespace gabion::gateway::http {

class RequestParser {
 public:
  explicit RequestParser(const ParserLimits& limits);
  ~RequestParser();

  // Makes ready for the next request.
  void reset();
  // `buffered`: everything received and not consumed; the next call sees the same bytes and more. Fills
  // `head` when done.
  HeadStep parse_head(ByteView buffered, RequestHead& head);
  // HTTP/1.1 or "Connection: keep-alive", and no "Connection: close".
  bool keep_alive() const;
  bool is_http_10() const;
  bool expects_continue() const;

  // `buffered`: what follows the bytes consumed before. Gives at most one piece of the body at a time.
  BodyStep next_body(ByteView buffered);
  bool body_done() const;
  // Of a body with Content-Length: what is still to come.
  std::uint64_t body_left() const;
  // Headers after a chunked body, apart from those that may only come before it.
  const std::vector<Header>& trailers() const;

  const Refusal& refusal() const;

 private:
  struct State;
  const ParserLimits limits_;
  const std::unique_ptr<State> state_;
};

}  // namespace gabion::gateway::http
