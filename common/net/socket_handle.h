// SocketHandle owns the descriptor of one connected, non-blocking socket on its way from the listener, or
// from a connect, to the stream made of it; it may travel between threads. Moved, never copied.
#pragma once

#include <string>
#include <utility>

namespace gabion::net {

class SocketHandle {
 public:
  SocketHandle() = default;
  SocketHandle(int descriptor, std::string peer) : descriptor_(descriptor), peer_(std::move(peer)) {}
  SocketHandle(SocketHandle&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), peer_(std::move(other.peer_)) {}
  SocketHandle& operator=(SocketHandle&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(peer_, other.peer_);
    return *this;
  }
  ~SocketHandle();

  int descriptor() const { return descriptor_; }
  const std::string& peer() const { return peer_; }  // "192.0.2.7:50312"
  // The caller closes the descriptor from here on.
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
  std::string peer_;
};

}  // namespace gabion::net
