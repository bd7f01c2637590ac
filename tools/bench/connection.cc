#include "tools/bench/connection.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "common/text.h"

namespace gabion::bench {
namespace {

constexpr std::size_t kBufferBytes = 128 * KiB;
constexpr std::size_t kHeadBytesMax = 64 * KiB;
constexpr auto kNothrow = asio::as_tuple(asio::use_awaitable);

Error network_error(std::string_view what, const boost::system::error_code& code) {
  if (code == asio::error::eof) return Error(Errc::end_of_stream, "the server closed the connection");
  return Error(Errc::unavailable, fmt::format("{}: {}", what, code.message()));
}

Error malformed(std::string_view what) {
  return Error(Errc::invalid, fmt::format("the response is not HTTP/1.1: {}", what));
}

// A response's head, without its empty line.
Result<ResponseHead> parse_head(std::string_view text, bool& keep) {
  const std::size_t status_end = text.find("\r\n");
  const std::string_view status_line = text.substr(0, status_end);
  if (!status_line.starts_with("HTTP/1.") || status_line.size() < 12) return malformed("status line");
  const auto status = parse_u64(status_line.substr(9, 3));
  if (!status) return malformed("status line");
  ResponseHead head;
  head.status = static_cast<unsigned>(*status);
  keep = status_line[7] == '1';
  text.remove_prefix(std::min(text.size(), status_line.size() + 2));
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 2));
    const std::size_t colon = line.find(':');
    if (colon == line.npos) return malformed("header");
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (equals_ignoring_case(name, "content-length")) {
      const auto length = parse_u64(value);
      if (!length) return malformed("Content-Length");
      head.length = *length;
    } else if (equals_ignoring_case(name, "transfer-encoding")) {
      head.chunked = equals_ignoring_case(value, "chunked");
    } else if (equals_ignoring_case(name, "connection")) {
      keep = keep && !equals_ignoring_case(value, "close");
    } else if (equals_ignoring_case(name, "etag")) {
      head.etag = value;
    }
  }
  return head;
}

}  // namespace

Connection::Connection(Executor executor, asio::ip::tcp::endpoint peer, std::optional<Security> security)
    : socket_(std::move(executor)), peer_(std::move(peer)), security_(std::move(security)), buffer_(kBufferBytes) {}

void Connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  begin_ = end_ = 0;
  body_done_ = true;
}

task<Result<void>> Connection::connect() {
  close();
  auto [code] = co_await socket_.async_connect(peer_, kNothrow);
  if (code) {
    close();
    co_return network_error("cannot connect", code);
  }
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (security_) co_return co_await secure();
  co_return Result<void>();
}

// Whether the certificate is for that host is part of OpenSSL's verification, where the context asks for one.
task<Result<void>> Connection::secure() {
  tls_.emplace(socket_, *security_->context);
  SSL* const ssl = tls_->native_handle();
  boost::system::error_code no_address;
  asio::ip::make_address(security_->host, no_address);
  const char* host = security_->host.c_str();
  const bool known = no_address ? SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1
                                : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
  if (!known) co_return Error(Errc::invalid, fmt::format("'{}' is no host name for TLS", security_->host));
  auto [code] = co_await tls_->async_handshake(asio::ssl::stream_base::client, kNothrow);
  if (!code) co_return Result<void>();
  const long verdict = SSL_get_verify_result(ssl);
  close();
  if (verdict == X509_V_OK) co_return network_error("TLS", code);
  co_return Error(Errc::denied, fmt::format("the server's certificate is not good: {}", X509_verify_cert_error_string(verdict)));
}

task<Result<ResponseHead>> Connection::request(std::string head, std::span<const asio::const_buffer> body) {
  if (!body_done_ || !keep_) close();
  const bool reused = socket_.is_open();
  if (!reused) CO_CHECK(co_await connect());
  answered_ = false;
  auto sent = co_await send(head, body);
  // The server may answer and close before it has read all of the body; what it says is worth reading.
  auto response = co_await read_head();
  if (response.has_error() && reused && !answered_) {
    CO_CHECK(co_await connect());
    CO_CHECK(co_await send(head, body));
    response = co_await read_head();
  }
  if (response.has_error()) {
    close();
  } else if (sent.has_error()) {
    keep_ = false;
  }
  co_return response;
}

task<Result<void>> Connection::send(std::string_view head, std::span<const asio::const_buffer> body) {
  std::vector<asio::const_buffer> all;
  all.reserve(body.size() + 1);
  all.emplace_back(head.data(), head.size());
  all.insert(all.end(), body.begin(), body.end());
  auto [code, written] = tls_ ? co_await asio::async_write(*tls_, all, kNothrow)
                              : co_await asio::async_write(socket_, all, kNothrow);
  if (code) co_return network_error("send", code);
  co_return Result<void>();
}

task<Result<void>> Connection::receive() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == buffer_.size() && begin_ > 0) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) co_return malformed("a line has no end");
  const auto room = asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
  auto [code, count] = tls_ ? co_await tls_->async_read_some(room, kNothrow) : co_await socket_.async_receive(room, kNothrow);
  if (code) co_return network_error("receive", code);
  end_ += count;
  answered_ = true;
  co_return Result<void>();
}

task<Result<ResponseHead>> Connection::read_head() {
  for (;;) {
    const std::string_view received = as_text(ByteView(buffer_).subspan(begin_, end_ - begin_));
    const std::size_t end = received.find("\r\n\r\n");
    if (end == received.npos) {
      if (received.size() > kHeadBytesMax) co_return malformed("the head is too long");
      CO_CHECK(co_await receive());
      continue;
    }
    CO_TRY(ResponseHead head, parse_head(received.substr(0, end), keep_));
    begin_ += end + 4;
    if (head.status < 200) continue;
    chunked_ = head.chunked;
    first_chunk_ = true;
    left_ = chunked_ ? 0 : head.length;
    body_done_ = false;
    if (!chunked_ && (left_ == 0 || head.status == 204 || head.status == 304)) body_ended();
    co_return head;
  }
}

void Connection::body_ended() {
  left_ = 0;
  body_done_ = true;
}

task<Result<std::string>> Connection::read_line() {
  for (;;) {
    const std::string_view received = as_text(ByteView(buffer_).subspan(begin_, end_ - begin_));
    const std::size_t end = received.find("\r\n");
    if (end != received.npos) {
      std::string line(received.substr(0, end));
      begin_ += end + 2;
      co_return line;
    }
    if (received.size() > kHeadBytesMax) co_return malformed("a line is too long");
    CO_CHECK(co_await receive());
  }
}

task<Result<void>> Connection::start_chunk() {
  if (!first_chunk_) {
    CO_TRY(const std::string end_of_last, co_await read_line());
    if (!end_of_last.empty()) co_return malformed("chunk");
  }
  first_chunk_ = false;
  CO_TRY(const std::string line, co_await read_line());
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size() && std::isxdigit(static_cast<unsigned char>(line[digits])) != 0; ++digits) {
    const char c = line[digits];
    size = size * 16 + static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  if (digits == 0 || digits > 15) co_return malformed("chunk size");
  left_ = size;
  if (size > 0) co_return Result<void>();
  for (;;) {
    CO_TRY(const std::string trailer, co_await read_line());
    if (trailer.empty()) break;
  }
  body_ended();
  co_return Result<void>();
}

task<Result<ByteView>> Connection::read_some() {
  if (!body_done_ && chunked_ && left_ == 0) CO_CHECK(co_await start_chunk());
  if (body_done_) co_return ByteView();
  if (begin_ == end_) CO_CHECK(co_await receive());
  const std::size_t take = std::min<std::uint64_t>(left_, end_ - begin_);
  const ByteView piece = ByteView(buffer_).subspan(begin_, take);
  begin_ += take;
  left_ -= take;
  if (left_ == 0 && !chunked_) body_ended();
  co_return piece;
}

task<Result<void>> Connection::discard_body() {
  while (!body_done_) {
    if (chunked_ || begin_ < end_ || tls_) {
      CO_TRY(const ByteView piece, co_await read_some());
      static_cast<void>(piece);
      continue;
    }
    // The kernel drops the bytes without copying them (tcp(7), MSG_TRUNC).
    const std::size_t want = std::min<std::uint64_t>(left_, 1 * GiB);
    const ssize_t got = ::recv(socket_.native_handle(), nullptr, want, MSG_TRUNC | MSG_DONTWAIT);
    if (got > 0) {
      left_ -= static_cast<std::uint64_t>(got);
      if (left_ == 0) body_ended();
    } else if (got == 0) {
      close();
      co_return Error(Errc::end_of_stream, "the server closed the connection inside a body");
    } else if (errno == EAGAIN || errno == EINTR) {
      auto [code] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kNothrow);
      if (code) co_return network_error("receive", code);
    } else {
      co_return errno_error(errno, "receive");
    }
  }
  co_return Result<void>();
}

}  // namespace gabion::bench
