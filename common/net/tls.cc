#include "common/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cerrno>

#include "common/check.h"
#include "common/net/socket_stream.h"

namespace gabion::net {
namespace {

// Pieces that together fit one TLS record are copied into one: one record and one send for a small response.
constexpr std::size_t kRecordBytes = 16 * KiB;

enum class Side { server, client };

// The value of the only entry of this kind; empty when there is none, or more than one.
std::string name_entry(const X509_NAME* name, int kind) {
  const int at = X509_NAME_get_index_by_NID(name, kind, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(name, kind, at) >= 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<std::size_t>(ASN1_STRING_length(value)));
}

// OpenSSL works on the socket itself, without buffers in between, and says when it wants to wait.
class TlsStream final : public SocketStream {
 public:
  TlsStream(Executor executor, DeadlineSweeper& sweeper, std::shared_ptr<SSL_CTX> context,
            SocketHandle socket, Side side)
      : SocketStream(std::move(executor), sweeper, std::move(socket)),
        context_(std::move(context)),
        ssl_(SSL_new(context_.get())) {
    GABION_CHECK(ssl_ != nullptr, "out of memory for a TLS connection");
    GABION_CHECK(SSL_set_fd(ssl_, socket_.native_handle()) == 1, "out of memory for a TLS connection");
    side == Side::server ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
  }
  ~TlsStream() override { SSL_free(ssl_); }

  task<Result<std::size_t>> read_some(MutableBytes into) override {
    for (;;) {
      CO_CHECK(usable());
      std::size_t n = 0;
      ERR_clear_error();
      const int result = SSL_read_ex(ssl_, into.data(), into.size(), &n);
      if (result == 1) co_return n;
      CO_CHECK(co_await retry(result, "TLS read"));
    }
  }

  task<Result<void>> write_all(std::span<const ByteView> pieces) override {
    std::size_t total = 0;
    for (const ByteView piece : pieces) total += piece.size();
    if (pieces.size() == 1 || total > kRecordBytes) {
      for (const ByteView piece : pieces) CO_CHECK(co_await write_piece(piece));
      co_return Result<void>();
    }
    std::string record;
    record.reserve(total);
    for (const ByteView piece : pieces) record += as_text(piece);
    co_return co_await write_piece(as_bytes(record));
  }

  task<void> close() override {
    // Without a finished handshake there is nobody to say goodbye to.
    if (usable() && !failed_ && SSL_is_init_finished(ssl_)) {
      ERR_clear_error();
      SSL_shutdown(ssl_);
    }
    co_await close_socket();
  }

  bool is_encrypted() const override { return true; }

  task<Result<PeerName>> identify() override {
    for (;;) {
      CO_CHECK(usable());
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl_);
      if (result == 1) break;
      const auto more = co_await retry(result, "TLS handshake");
      if (more) continue;
      const long verdict = SSL_get_verify_result(ssl_);
      if (verdict == X509_V_OK) co_return more.error();
      co_return Error(Errc::denied,
                      std::string("the peer's certificate is not good: ") + X509_verify_cert_error_string(verdict));
    }
    // The context has verified it, or the handshake would have failed.
    const X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate == nullptr) co_return PeerName();
    const X509_NAME* subject = X509_get_subject_name(certificate);
    PeerName peer;
    peer.organization = name_entry(subject, NID_organizationName);
    peer.common_name = name_entry(subject, NID_commonName);
    co_return peer;
  }

 private:
  task<Result<void>> write_piece(ByteView piece) {
    while (!piece.empty()) {
      CO_CHECK(usable());
      std::size_t n = 0;
      ERR_clear_error();
      const int result = SSL_write_ex(ssl_, piece.data(), piece.size(), &n);
      if (result == 1) {
        piece = piece.subspan(n);
        continue;
      }
      CO_CHECK(co_await retry(result, "TLS write"));
    }
    co_return Result<void>();
  }

  // Waits for what OpenSSL needs; an Error when trying again is no use.
  task<Result<void>> retry(int result, std::string_view what) {
    const int socket_error = errno;
    const int reason = SSL_get_error(ssl_, result);
    boost::system::error_code error;
    switch (reason) {
      case SSL_ERROR_WANT_READ:
        error = co_await wait_readable();
        break;
      case SSL_ERROR_WANT_WRITE:
        error = co_await wait_writable();
        break;
      case SSL_ERROR_ZERO_RETURN:
        co_return Error(Errc::end_of_stream, "the peer closed the connection");
      case SSL_ERROR_SYSCALL:
        failed_ = true;
        if (socket_error == 0) co_return Error(Errc::end_of_stream, "the peer closed the connection");
        co_return io_error(socket_error, what);
      default: {
        failed_ = true;
        char text[256];
        ERR_error_string_n(ERR_get_error(), text, sizeof text);
        co_return Error(Errc::invalid, std::string(what) + ": " + text);
      }
    }
    if (error) co_return io_error(error.value(), what);
    co_return Result<void>();
  }

  const std::shared_ptr<SSL_CTX> context_;
  SSL* const ssl_;
  bool failed_ = false;  // OpenSSL forbids any further call, SSL_shutdown too
};

}  // namespace

std::unique_ptr<ByteStream> make_tls_stream(Executor executor, DeadlineSweeper& sweeper, ThreadTls& tls,
                                            SocketHandle socket) {
  return std::make_unique<TlsStream>(std::move(executor), sweeper, tls.current(), std::move(socket), Side::server);
}

std::unique_ptr<ByteStream> make_mutual_tls_server(Executor executor, DeadlineSweeper& sweeper, ThreadMutualTls& tls,
                                                   SocketHandle socket) {
  return std::make_unique<TlsStream>(std::move(executor), sweeper, tls.server(), std::move(socket), Side::server);
}

std::unique_ptr<ByteStream> make_mutual_tls_client(Executor executor, DeadlineSweeper& sweeper, ThreadMutualTls& tls,
                                                   SocketHandle socket) {
  return std::make_unique<TlsStream>(std::move(executor), sweeper, tls.client(), std::move(socket), Side::client);
}

}  // namespace gabion::net
