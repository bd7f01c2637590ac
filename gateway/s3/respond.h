// Answers in XML. References must outlive the tasks.
#pragma once

#include <string>

#include "gateway/s3/request.h"

namespace gabion::gateway::s3 {

// 200 with an XML document.
task<S3Result<>> respond_xml(Request& request, std::string document);
// The error as S3 writes it, with the headers that belong to its code; HEAD gets the status alone.
task<void> respond_error(Request& request, const S3Error& error);

}  // namespace gabion::gateway::s3
