// Small text things with exact rules: dates as HTTP and S3 write them, ASCII case, sizes, drive-name expansion. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace gabion {

std::string to_lower(std::string_view text);  // ASCII only
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);  // spaces and tabs
std::vector<std::string_view> split(std::string_view text, char separator);

// A whole decimal number without sign, or nullopt (also past 2^64 - 1).
std::optional<std::uint64_t> parse_u64(std::string_view text);
// "64 KiB", "5GiB", "1048576", "8MB": a number with an optional unit; binary for KiB.., decimal for kB...
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);  // "1.5 GiB"

std::string http_date(WallMicros at);            // "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7)
std::string iso_date(WallMicros at);             // "2009-10-12T17:50:30.000Z"
void append_iso_date(std::string& out, WallMicros at);
std::string amz_date(WallMicros at);             // "20130524T000000Z"
std::optional<WallMicros> parse_http_date(std::string_view text);  // the three forms of RFC 9110
std::optional<WallMicros> parse_iso_date(std::string_view text);   // extended form, fraction optional, Z
std::optional<WallMicros> parse_amz_date(std::string_view text);

// "/disk{1...3}" gives /disk1 /disk2 /disk3; several groups multiply; {01...12} keeps the width. invalid for a malformed
// range or more than 1024 names.
Result<std::vector<std::string>> expand_braces(std::string_view pattern);

}  // namespace gabion
