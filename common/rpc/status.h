// How an Error travels: a number that never changes its meaning, and the text. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace gabion::rpc {

std::string encode_error(const Error& error);
// A code that only a newer peer knows becomes Errc::internal; the text stays.
Error decode_error(std::string_view meta);

}  // namespace gabion::rpc
