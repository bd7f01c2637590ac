// One HTTP request and its response, as the dialects see them. The session (session.h) parses the head, hands
// an Exchange to the handler, and afterwards makes the connection ready for the next request or closes it.
// Everything here runs on the executor of the connection's thread. Names of headers are lower case; values
// are trimmed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/bytes.h"
#include "common/context.h"
#include "common/result.h"
#include "common/task.h"

namespace gabion::gateway::http {

struct Header {
  std::string name;  // lower case
  std::string value;
};

struct RequestHead {
  std::string method;  // as sent: "GET"
  std::string target;  // as sent, origin form ("/bucket/key?x=y"); absolute-form targets are reduced to it
  std::string_view path() const;   // the target before '?', still percent-encoded
  std::string_view query() const;  // after '?', still percent-encoded; empty when there is none
  std::vector<Header> headers;     // in the order sent; repeated names stay separate
  std::string peer;                // "192.0.2.7:50312"
  bool encrypted = false;          // TLS
  // Body framing: exactly one of these, as the session has checked.
  std::optional<std::uint64_t> content_length;
  bool chunked = false;

  // The first header of this (lower-case) name, or nullptr.
  const std::string* find(std::string_view name) const;
  std::string_view get(std::string_view name) const;  // empty when absent
};

class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const RequestHead& head() const = 0;
  virtual Context context() const = 0;
  virtual const std::string& request_id() const = 0;  // also sent as x-amz-request-id
  virtual const std::string& host_id() const { return request_id(); }  // also sent as x-amz-id-2

  // The next bytes of the body with HTTP's own chunking removed: a view into the session's buffer, valid
  // until the next call; empty at the end. Sends "100 Continue" first when the client expects it.
  // end_of_stream when the peer went away in the middle; deadline when it was too slow; invalid when the
  // framing is broken.
  virtual task<Result<ByteView>> read_body() = 0;
  // HTTP trailers of a chunked body, once read_body() has returned empty.
  virtual const std::vector<Header>& trailers() const = 0;

  // Headers for the response. Date, Server, Connection, Content-Length, x-amz-request-id and x-amz-id-2 are
  // set by the session. `name` is written as given. Values with control characters are refused by CHECKing
  // callers: use sanitize_header_value() on text from outside.
  virtual void set_header(std::string_view name, std::string_view value) = 0;

  // Sends status, headers and the whole body. For HEAD, 204 and 304 the body is not sent (Content-Length
  // still tells its size for HEAD). Exactly one of respond() or begin() is called once.
  virtual task<Result<void>> respond(int status, std::string body) = 0;
  // Sends status and headers for a body of exactly `content_length` bytes that write() calls then deliver.
  virtual task<Result<void>> begin(int status, std::uint64_t content_length) = 0;
  // `piece` must stay valid until it returns. For HEAD nothing is sent.
  virtual task<Result<void>> write(Bytes piece) = 0;
  virtual bool responded() const = 0;           // respond() or begin() was called
  virtual int status() const = 0;               // the status sent; 0 before
  virtual std::uint64_t bytes_in() const = 0;   // of body
  virtual std::uint64_t bytes_out() const = 0;  // of body
};

// What answers requests: the S3 dialect, the admin port. When it returns without a response the session sends
// 500; when it fails in the middle of a body the session closes the connection.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual task<void> handle(Exchange& exchange) = 0;
};

// Replaces control characters so that a header cannot be split.
std::string sanitize_header_value(std::string_view value);

}  // namespace gabion::gateway::http
