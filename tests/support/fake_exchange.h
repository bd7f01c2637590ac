// A request in memory that records the response, for tests of the dialects: the body arrives in the pieces given, each
// from memory of its own so that a view kept too long is found by the address sanitizer. One thread.
//
//   FakeExchange exchange(request("PUT", "/bucket/key", {{"content-type", "text/plain"}}), {"first ", "second"});
//   run(handler.handle(exchange));
//   CHECK(exchange.status() == 200);
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/text.h"
#include "gateway/http/exchange.h"

namespace gabion::test {

// A head whose names of headers may be written in any case. Content-Length and Transfer-Encoding set the framing, as
// the session does.
inline gateway::http::RequestHead request(std::string method, std::string target,
                                          std::vector<gateway::http::Header> headers = {}) {
  gateway::http::RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  head.peer = "192.0.2.7:50312";
  for (auto& header : headers) {
    header.name = to_lower(header.name);
    header.value = std::string(trim(header.value));
    if (header.name == "content-length") head.content_length = parse_u64(header.value);
    if (header.name == "transfer-encoding") head.chunked = true;
  }
  head.headers = std::move(headers);
  return head;
}

class FakeExchange final : public gateway::http::Exchange {
 public:
  explicit FakeExchange(gateway::http::RequestHead head, std::vector<std::string> body = {})
      : head_(std::move(head)), body_(std::make_move_iterator(body.begin()), std::make_move_iterator(body.end())) {}

  // After the pieces given, read_body() fails with this instead of ending.
  void fail_body(Error error) { body_error_ = std::move(error); }
  void set_trailers(std::vector<gateway::http::Header> trailers) { trailers_ = std::move(trailers); }
  void set_context(Context context) { context_ = context; }
  // The client reads no more: responses fail with end_of_stream.
  void hang_up() { peer_gone_ = true; }

  // What was answered.
  const std::string& body() const { return response_body_; }
  const std::vector<gateway::http::Header>& headers() const { return response_headers_; }
  // The header of this name in any case, or nullopt.
  std::optional<std::string> header(std::string_view name) const {
    for (const auto& header : response_headers_) {
      if (equals_ignoring_case(header.name, name)) return header.value;
    }
    return std::nullopt;
  }
  // Content-Length of the answer, also of one without a body.
  std::uint64_t content_length() const { return content_length_; }
  bool body_read_to_the_end() const { return body_ended_; }
  std::size_t body_reads() const { return body_reads_; }

  const gateway::http::RequestHead& head() const override { return head_; }
  Context context() const override { return context_; }
  const std::string& request_id() const override { return request_id_; }

  task<Result<ByteView>> read_body() override {
    ++body_reads_;
    current_.reset();
    while (!body_.empty() && body_.front().empty()) body_.pop_front();
    if (body_.empty()) {
      if (body_error_) co_return *body_error_;
      body_ended_ = true;
      co_return ByteView{};
    }
    current_ = std::make_unique<std::vector<char>>(body_.front().begin(), body_.front().end());
    body_.pop_front();
    bytes_in_ += current_->size();
    co_return std::as_bytes(std::span(*current_));
  }
  const std::vector<gateway::http::Header>& trailers() const override { return trailers_; }

  void set_header(std::string_view name, std::string_view value) override {
    GABION_CHECK(!responded(), "headers come before the response");
    response_headers_.push_back({std::string(name), std::string(value)});
  }
  task<Result<void>> respond(int status, std::string body) override {
    start(status, body.size());
    if (peer_gone_) co_return Error(Errc::end_of_stream, "the client is gone");
    if (may_have_body()) response_body_ = std::move(body);
    co_return Result<void>();
  }
  task<Result<void>> begin(int status, std::uint64_t content_length) override {
    start(status, content_length);
    if (peer_gone_) co_return Error(Errc::end_of_stream, "the client is gone");
    co_return Result<void>();
  }
  task<Result<void>> write(Bytes piece) override {
    GABION_CHECK(responded(), "begin() comes before write()");
    if (peer_gone_) co_return Error(Errc::end_of_stream, "the client is gone");
    if (may_have_body()) response_body_ += piece.text();
    GABION_CHECK(response_body_.size() <= content_length_, "more is written than was announced");
    co_return Result<void>();
  }
  bool responded() const override { return status_ != 0; }
  int status() const override { return status_; }
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return response_body_.size(); }

 private:
  void start(int status, std::uint64_t content_length) {
    GABION_CHECK(!responded(), "a request is answered once");
    status_ = status;
    content_length_ = content_length;
  }
  bool may_have_body() const { return head_.method != "HEAD" && status_ != 204 && status_ != 304; }

  const gateway::http::RequestHead head_;
  const std::string request_id_ = "4442587FB7D0A2F9";
  Context context_;
  std::deque<std::string> body_;
  std::optional<Error> body_error_;
  std::unique_ptr<std::vector<char>> current_;
  std::vector<gateway::http::Header> trailers_;
  std::vector<gateway::http::Header> response_headers_;
  std::string response_body_;
  std::uint64_t content_length_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::size_t body_reads_ = 0;
  bool body_ended_ = false;
  bool peer_gone_ = false;
  int status_ = 0;
};

}  // namespace gabion::test
