#include "gateway/http/session_exchange.h"

#include <algorithm>

#include "common/check.h"
#include "gateway/http/grammar.h"
#include "gateway/http/response_head.h"

namespace gabion::gateway::http {
namespace {

// A response is written in pieces of this size, each with its own deadline: a slow client that goes on
// reading is served.
constexpr std::size_t kWritePiece = 128 * KiB;
constexpr std::size_t kUsualHeaders = 24;
constexpr std::size_t kUsualText = 2 * KiB;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

void append_clean(std::string& out, std::string_view text, char replacement) {
  const std::size_t start = out.size();
  out.append(text);
  std::replace_if(out.begin() + static_cast<std::ptrdiff_t>(start), out.end(), is_control, replacement);
}

}  // namespace

SessionExchange::SessionExchange(SessionHost& host, net::ByteStream& stream, InputBuffer& input,
                                 RequestParser& parser)
    : host_(host), stream_(stream), input_(input), parser_(parser) {
  head_.peer = stream.peer_address();
  head_.encrypted = stream.is_encrypted();
}

void SessionExchange::reset() {
  // An idle connection keeps only the memory of a usual request.
  head_.headers.clear();
  if (head_.headers.capacity() > kUsualHeaders) head_.headers.shrink_to_fit();
  for (std::string* text : {&head_.target, &header_lines_, &out_}) {
    if (text->capacity() > kUsualText) *text = std::string();
  }
  head_.method.clear();  // a request refused half-way must not be taken for the HEAD before it
  context_ = Context();
  header_lines_.clear();
  body_length_ = bytes_in_ = bytes_out_ = 0;
  pace_ = BodyPace();
  drain_deadline_ = TimePoint::max();
  status_ = 0;
  await_continue_ = body_failed_ = write_failed_ = close_ = draining_ = false;
}

void SessionExchange::make_ids() {
  constexpr char kDigits[] = "0123456789ABCDEF";
  context_.trace = host_.next_trace();
  request_id_.resize(16);
  for (std::size_t i = 0; i < 16; ++i) request_id_[i] = kDigits[(context_.trace >> (60 - 4 * i)) & 15];
}

void SessionExchange::start(bool draining) {
  make_ids();
  draining_ = draining;
  await_continue_ = parser_.expects_continue();
  close_ = !parser_.keep_alive();
}

// --- Body of the request ---

Error SessionExchange::fail_body(Errc code, std::string text) {
  body_failed_ = true;
  return Error(code, std::move(text));
}

// A body gets a large buffer while it comes in faster than small reads take it, and only so long: a buffer
// that waits for a slow client is small.
std::size_t SessionExchange::read_capacity() {
  const std::uint64_t left = head_.chunked ? UINT64_MAX : parser_.body_left();
  if (left <= InputBuffer::kIdleBytes) return InputBuffer::kIdleBytes;
  if (left > InputBuffer::kSmallBytes && bytes_in_ >= InputBuffer::kSmallBytes && input_.was_filled()) {
    return InputBuffer::kLargeBytes;
  }
  if (input_.last_read() < InputBuffer::kSmallBytes) input_.shrink(InputBuffer::kSmallBytes);
  return InputBuffer::kSmallBytes;
}

// One read, which must come in time.
task<Result<void>> SessionExchange::receive() {
  const SessionLimits& limits = host_.limits();
  const TimePoint start = host_.clock().now();
  const TimePoint deadline = std::min(start + (limits.body_grace - pace_.waited), drain_deadline_);
  stream_.set_deadline(deadline);
  auto n = co_await stream_.read_some(input_.room(read_capacity()));
  if (!n) {
    if (n.error().code == Errc::deadline) host_.metrics().timeouts.add();
    co_return fail_body(n.error().code, n.error().message);
  }
  input_.commit(*n);
  host_.metrics().bytes_in.add(*n);
  pace_.waited += host_.clock().now() - start;
  pace_.bytes += *n;
  if (pace_.waited < limits.body_grace / 2) co_return Result<void>();
  const auto seconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(pace_.waited).count());
  if (pace_.bytes >= limits.body_bytes_per_second * seconds) {
    pace_ = BodyPace();
  } else if (pace_.waited >= limits.body_grace) {
    host_.metrics().timeouts.add();
    co_return fail_body(Errc::deadline, "the body of the request came too slowly");
  }
  co_return Result<void>();
}

task<Result<ByteView>> SessionExchange::next_piece() {
  for (;;) {
    const BodyStep step = parser_.next_body(input_.view());
    input_.consume(step.consumed);
    if (step.outcome == Parse::failed)
      co_return fail_body(Errc::invalid, std::string(parser_.refusal().message));
    if (!step.data.empty() || step.outcome == Parse::done) {
      bytes_in_ += step.data.size();
      co_return step.data;
    }
    CO_CHECK(co_await receive());
  }
}

task<Result<ByteView>> SessionExchange::read_body() {
  if (body_failed_) co_return Error(Errc::invalid, "the body of the request has failed before");
  // Also for a body of no bytes: some clients take a final answer without 100 for a refusal and lose count of answers.
  if (parser_.body_done() && !await_continue_) co_return ByteView();
  if (await_continue_ && input_.empty()) {
    const ByteView piece = as_bytes(kContinue);
    if (auto sent = co_await send({&piece, 1}); !sent)
      co_return fail_body(sent.error().code, sent.error().message);
  }
  await_continue_ = false;
  if (parser_.body_done()) co_return ByteView();
  co_return co_await next_piece();
}

task<bool> SessionExchange::drain_body() {
  const SessionLimits& limits = host_.limits();
  drain_deadline_ = host_.clock().now() + limits.drain_time;
  std::size_t drained = 0;
  while (!parser_.body_done() && drained <= limits.drain_bytes) {
    const auto piece = co_await next_piece();
    if (!piece) co_return false;
    drained += piece->size();
  }
  co_return parser_.body_done();
}

// --- Response ---

void SessionExchange::set_header(std::string_view name, std::string_view value) {
  GABION_CHECK(!responded(), "headers come before the response");
  append_clean(header_lines_, name, '-');
  header_lines_ += ": ";
  append_clean(header_lines_, value, ' ');
  header_lines_ += "\r\n";
}

bool SessionExchange::sends_body() const { return head_.method != "HEAD" && !is_bodiless(status_); }

bool SessionExchange::must_close() const {
  if (close_ || draining_ || body_failed_) return true;
  // The client was never told to send the body and may do so all the same: what comes next could be the body
  // or a request, and taking one for the other is how requests are smuggled.
  if (await_continue_) return true;
  return !parser_.body_done() && parser_.body_left() > host_.limits().drain_bytes;
}

void SessionExchange::compose_head(int status, std::uint64_t content_length) {
  GABION_CHECK(!responded(), "a request is answered once");
  GABION_CHECK(status >= 200 && status <= 599, "not the status of a final response");
  status_ = status;
  body_length_ = content_length;
  close_ = must_close();
  ResponseHead head;
  head.status = status;
  head.date = host_.date();
  head.request_id = request_id_;
  head.host_id = host_.host_id();
  head.headers = header_lines_;
  head.content_length = content_length;
  if (close_) {
    head.connection = "close";
  } else if (parser_.is_http_10()) {
    head.connection = "keep-alive";
  }
  out_.clear();
  append_head(out_, head);
}

task<Result<void>> SessionExchange::send(std::span<const ByteView> pieces) {
  std::size_t total = 0;
  for (const ByteView piece : pieces) total += piece.size();
  stream_.set_deadline(host_.clock().now() + host_.limits().write_stall);
  auto sent = co_await stream_.write_all(pieces);
  if (sent) {
    host_.metrics().bytes_out.add(total);
  } else {
    if (sent.error().code == Errc::deadline) host_.metrics().timeouts.add();
    write_failed_ = close_ = true;
  }
  co_return sent;
}

// The head of the response, not sent so far, and the first bytes of the body in one write.
task<Result<void>> SessionExchange::send_head_with(ByteView first) {
  const ByteView pieces[] = {as_bytes(out_), first};
  auto sent = co_await send(pieces);
  out_.clear();
  if (sent) bytes_out_ += first.size();
  co_return sent;
}

task<Result<void>> SessionExchange::respond(int status, std::string body) {
  compose_head(status, body.size());
  if (!sends_body()) co_return co_await send_head_with({});
  if (body.size() <= kWritePiece) co_return co_await send_head_with(as_bytes(body));
  co_return co_await write(Bytes::unowned(as_bytes(body)));
}

task<Result<void>> SessionExchange::begin(int status, std::uint64_t content_length) {
  compose_head(status, content_length);
  if (sends_body() && content_length != 0)
    co_return Result<void>();  // the head goes out with the first piece
  co_return co_await send_head_with({});
}

task<Result<void>> SessionExchange::write(Bytes piece) {
  GABION_CHECK(responded(), "begin() comes before write()");
  if (!sends_body()) co_return Result<void>();
  if (write_failed_) co_return Error(Errc::end_of_stream, "the response has failed before");
  GABION_CHECK(piece.size() <= body_length_ - bytes_out_, "more is written than was announced");
  ByteView rest = piece.view();
  while (!rest.empty()) {
    const ByteView part = rest.first(std::min(rest.size(), kWritePiece));
    rest = rest.subspan(part.size());
    if (!out_.empty()) {
      CO_CHECK(co_await send_head_with(part));
    } else {
      CO_CHECK(co_await send({&part, 1}));
      bytes_out_ += part.size();
    }
  }
  co_return Result<void>();
}

task<void> SessionExchange::refuse(int status, std::string_view code, std::string_view message) {
  if (context_.trace == 0) make_ids();
  close_ = true;
  header_lines_.clear();
  set_header("Content-Type", "application/xml");
  co_await respond(status, error_document(code, message, request_id_, host_.host_id()));
}

task<bool> SessionExchange::finish() {
  if (!responded())
    co_await refuse(500, "InternalError", "We encountered an internal error. Please try again.");
  if (sends_body() && bytes_out_ != body_length_) co_return false;
  if (close_ || write_failed_ || body_failed_) co_return false;
  if (parser_.body_done()) co_return true;
  co_return co_await drain_body();
}

}  // namespace gabion::gateway::http
