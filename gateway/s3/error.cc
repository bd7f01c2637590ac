#include "gateway/s3/error.h"

#include <ostream>
#include <stdexcept>

namespace gabion::gateway::s3 {

std::ostream& operator<<(std::ostream& out, const S3Error& error) {
  out << (error.code ? error.code->name : "(no error)") << ": " << error.message;
  for (const auto& [name, value] : error.details) out << " [" << name << "=" << value << "]";
  return out;
}

void throw_exception_from_error(const S3Error& error, const boost::source_location& where) {
  const std::string_view name = error.code ? error.code->name : "(no error)";
  throw std::runtime_error(std::string(name) + ": " + error.message + " at " + where.to_string());
}

// The texts of lower layers name drives, nodes and paths. They are for the log; a client gets the text of the code,
// except where the request itself was at fault.
S3Error to_s3(const Error& error) {
  switch (error.code) {
    case Errc::invalid: return S3Error(kInvalidArgument, error.message);
    case Errc::too_large: return S3Error(kEntityTooLarge);
    case Errc::denied: return S3Error(kAccessDenied);
    case Errc::conflict: return S3Error(kConditionalRequestConflict);
    case Errc::exhausted: return S3Error(kSlowDown);
    case Errc::unavailable:
    case Errc::not_leader:
    case Errc::cancelled: return S3Error(kServiceUnavailable);
    case Errc::deadline: return S3Error(kRequestTimeout);
    case Errc::end_of_stream: return S3Error(kIncompleteBody);
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::corrupt:
    case Errc::would_block:
    case Errc::unknown_outcome:
    case Errc::moved:
    case Errc::internal: return S3Error(kInternalError);
  }
  return S3Error(kInternalError);
}

}  // namespace gabion::gateway::s3
