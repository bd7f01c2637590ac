// The Exchange of a session: one object, used anew for each request of the connection. Reads the body from
// the parser and the stream, writes the response, and knows afterwards whether the connection can go on.
#pragma once

#include <string>
#include <vector>

#include "common/net/byte_stream.h"
#include "gateway/http/exchange.h"
#include "gateway/http/input_buffer.h"
#include "gateway/http/parser.h"
#include "gateway/http/session_host.h"

namespace gabion::gateway::http {

class SessionExchange final : public Exchange {
 public:
  SessionExchange(SessionHost& host, net::ByteStream& stream, InputBuffer& input, RequestParser& parser);

  // --- For the session ---
  // Forgets the last request. The parser then fills new_head().
  void reset();
  RequestHead& new_head() { return head_; }
  // The head is complete: gives the request its ids.
  void start(bool draining);
  // The response says "Connection: close" unless its head is composed already.
  void drain() { draining_ = true; }
  // Answers what never reached a handler, and closes.
  task<void> refuse(int status, std::string_view code, std::string_view message);
  // After the handler: throws away what it left of the body. Whether the connection can take another request.
  task<bool> finish();

  // --- Exchange ---
  const RequestHead& head() const override { return head_; }
  Context context() const override { return context_; }
  const std::string& request_id() const override { return request_id_; }
  const std::string& host_id() const override { return host_.host_id(); }
  task<Result<ByteView>> read_body() override;
  const std::vector<Header>& trailers() const override { return parser_.trailers(); }
  void set_header(std::string_view name, std::string_view value) override;
  task<Result<void>> respond(int status, std::string body) override;
  task<Result<void>> begin(int status, std::uint64_t content_length) override;
  task<Result<void>> write(Bytes piece) override;
  bool responded() const override { return status_ != 0; }
  int status() const override { return status_; }
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }

 private:
  // Whether a body must keep up a rate, or end by a moment.
  struct BodyPace {
    Duration waited{};
    std::uint64_t bytes = 0;
  };
  task<Result<ByteView>> next_piece();
  std::size_t read_capacity();
  task<Result<void>> receive();
  task<Result<void>> send(std::span<const ByteView> pieces);
  task<Result<void>> send_head_with(ByteView first);
  task<bool> drain_body();
  void make_ids();
  void compose_head(int status, std::uint64_t content_length);
  bool must_close() const;
  bool sends_body() const;
  Error fail_body(Errc code, std::string text);

  SessionHost& host_;
  net::ByteStream& stream_;
  InputBuffer& input_;
  RequestParser& parser_;

  RequestHead head_;
  Context context_;
  std::string request_id_;
  std::string header_lines_;
  std::string out_;                // the head of the response, until it is sent
  std::uint64_t body_length_ = 0;  // announced
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  BodyPace pace_;
  TimePoint drain_deadline_ = TimePoint::max();
  int status_ = 0;
  bool await_continue_ = false;  // the client waits for 100 Continue before it sends the body
  bool body_failed_ = false;
  bool write_failed_ = false;
  bool close_ = false;     // said so, or must
  bool draining_ = false;  // the server is stopping
};

}  // namespace gabion::gateway::http
