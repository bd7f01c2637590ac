#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "common/metrics.h"

namespace gabion {
namespace {

using Catch::Matchers::ContainsSubstring;

TEST_CASE("metrics render as Prometheus text with cumulative buckets") {
  Counter puts;
  Histogram latency;
  MetricsRegistry registry;
  registry.add("gabion_puts_total", "Puts.", R"(drive="1")", puts);
  registry.add("gabion_put_seconds", "Time.", "", latency);
  registry.add("gabion_free_bytes", "Free.", "", [] { return 12.0; });
  puts.add(3);
  latency.observe(std::chrono::microseconds(64));
  latency.observe(std::chrono::microseconds(65));
  latency.observe(std::chrono::seconds(500));
  const std::string text = registry.render();
  CHECK_THAT(text, ContainsSubstring("# TYPE gabion_puts_total counter\ngabion_puts_total{drive=\"1\"} 3\n"));
  CHECK_THAT(text, ContainsSubstring("gabion_put_seconds_bucket{le=\"6.4e-05\"} 1\n"));
  CHECK_THAT(text, ContainsSubstring("gabion_put_seconds_bucket{le=\"0.000128\"} 2\n"));
  CHECK_THAT(text, ContainsSubstring("gabion_put_seconds_bucket{le=\"+Inf\"} 3\n"));
  CHECK_THAT(text, ContainsSubstring("gabion_put_seconds_count 3\n"));
  CHECK_THAT(text, ContainsSubstring("gabion_free_bytes 12\n"));
  CHECK(label_value("a\"b\\c\nd") == "a\\\"b\\\\c\\nd");
}

}  // namespace
}  // namespace gabion
