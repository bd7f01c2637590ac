// Speaks the admin API of one node: signs each request with the root credentials and reads the JSON that comes back. Blocks;
// one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/json.hpp>
#include <memory>
#include <string>

#include "common/async.h"
#include "common/clock.h"
#include "tools/bench/connection.h"
#include "tools/bench/endpoint.h"
#include "tools/bench/signer.h"

namespace gabion::admin {

// How `gabion admin` ends, as its users know it.
enum class Exit {
  ok = 0, no_change = 1, usage = 2, denied = 3, not_found = 4, refused = 5, conflict = 6, timeout = 7, unavailable = 9,
  job_failed = 10, interrupted = 130
};

struct Answer {
  Exit exit = Exit::ok;
  std::string message;  // why it did not work
  boost::json::object body;
};

class Client {
 public:
  // `tls` is for an endpoint with https.
  Client(bench::Endpoint endpoint, bench::Credentials credentials, Clock& clock,
         std::shared_ptr<asio::ssl::context> tls = nullptr);

  Answer get(std::string_view path);  // "nodes": below /admin/v1/
  Answer post(std::string_view path, const boost::json::object& body);
  // Lets time pass; false when Ctrl-C came instead. From the first call on Ctrl-C no longer ends the program.
  bool pause(Duration duration);

 private:
  struct Received {
    Received() = default;
    unsigned status = 0;
    std::string body;
  };
  Answer ask(std::string_view method, std::string_view path, const std::string& body);
  std::string signed_head(std::string_view method, std::string_view path, const std::string& body);
  Result<Received> send(std::string head, const std::string& body);
  static task<Result<Received>> exchange(bench::Connection& connection, std::string head, std::string body);
  static task<void> exchange_into(Result<Received>& received, bool& done, bench::Connection& connection, std::string head,
                                  std::string body);
  task<void> sleep(Duration duration, bool& done);
  void watch_for_interrupt();
  // Runs the loop until `done`; false when `limit` has passed or Ctrl-C came first.
  bool run_until(const bool& done, Duration limit);

  std::string url() const;

  const bench::Endpoint endpoint_;
  const std::shared_ptr<asio::ssl::context> tls_;
  Clock& clock_;
  bench::Signer signer_;
  asio::io_context io_{1};
  asio::signal_set signals_{io_};
  bool watching_ = false;
  bool interrupted_ = false;
};

}  // namespace gabion::admin
