// A TCP proxy on loopback that can stop passing bytes on while it keeps every connection open, as a network that swallows
// packets, a partition or a stopped process does. One thread of its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "common/check.h"

namespace gabion::test {

class SilentProxy {
 public:
  explicit SilentProxy(std::uint16_t target) : target_(target), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    GABION_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(listener_, 64) == 0,
                 "the proxy cannot listen");
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~SilentProxy() {
    stop_ = true;
    thread_.join();
    drop_all();
    ::close(listener_);
  }
  SilentProxy(const SilentProxy&) = delete;
  SilentProxy& operator=(const SilentProxy&) = delete;

  std::uint16_t port() const { return port_; }
  void silence(bool on) { silent_ = on; }
  void target(std::uint16_t port) { target_ = port; }  // of new connections
  void reset_all() {
    reset_ = true;
    while (reset_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void drop_all() {
    for (auto [a, b] : pairs_) {
      ::close(a);
      ::close(b);
    }
    pairs_.clear();
  }
  void accept_one() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = loopback(target_);
    if (client < 0 || ::connect(server, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      ::close(client);
      ::close(server);
    } else {
      pairs_.emplace_back(client, server);
    }
  }
  // False when either end is closed.
  static bool pass(int from, int to) {
    char bytes[65536];
    const ssize_t n = ::recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN;
    for (ssize_t sent = 0; sent < n;) {
      const ssize_t m = ::send(to, bytes + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
      if (m < 0) return false;
      sent += m;
    }
    return true;
  }
  void run() {
    while (!stop_) {
      if (reset_) drop_all();
      reset_ = false;
      std::vector<pollfd> polled{{listener_, POLLIN, 0}};
      if (!silent_) {
        for (auto [a, b] : pairs_) {
          polled.push_back({a, POLLIN, 0});
          polled.push_back({b, POLLIN, 0});
        }
      }
      ::poll(polled.data(), polled.size(), 5);
      if (polled[0].revents != 0) accept_one();
      if (silent_) continue;
      std::erase_if(pairs_, [](auto pair) {
        const bool open = pass(pair.first, pair.second) && pass(pair.second, pair.first);
        if (!open) {
          ::close(pair.first);
          ::close(pair.second);
        }
        return !open;
      });
    }
  }

  std::atomic<std::uint16_t> target_;
  const int listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> silent_{false}, stop_{false}, reset_{false};
  std::vector<std::pair<int, int>> pairs_;
  std::thread thread_;
};

}  // namespace gabion::test
