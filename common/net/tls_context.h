// The server's certificate and key. TlsContext holds what the files said when they were last read well;
// reload() reads them again, and a bad file leaves the old ones in use. ThreadTls is one thread's OpenSSL
// context made from it: OpenSSL locks a context for every handshake, so threads do not share one. TlsContext
// is thread-safe; ThreadTls belongs to one thread and its TlsContext outlives it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "common/result.h"

struct ssl_ctx_st;

namespace gabion::net {

class TlsContext {
 public:
  // PEM files: the chain with the server's certificate first, and its unencrypted key.
  static Result<std::shared_ptr<TlsContext>> load(std::string certificate_file, std::string key_file);

  // New connections use what the files hold now. On an error nothing changes; the text names the file.
  Result<void> reload();

 private:
  friend class ThreadTls;
  struct Material {
    std::string certificates, key;  // PEM
    std::array<unsigned char, 80>
        ticket_keys{};  // the same for all threads, so that any of them resumes a session
  };
  TlsContext(std::string certificate_file, std::string key_file);
  std::shared_ptr<const Material> material() const;

  const std::string certificate_file_, key_file_;
  std::atomic<std::uint64_t> generation_{0};  // increases with each good load
  mutable std::mutex mutex_;
  std::shared_ptr<const Material> material_;  // guarded by mutex_
};

class ThreadTls {
 public:
  explicit ThreadTls(const TlsContext& source) : source_(source) {}
  // The context for a new connection, made anew after a reload. Connections keep the one they began with.
  std::shared_ptr<ssl_ctx_st> current();

 private:
  const TlsContext& source_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace gabion::net
