/// `hotmic convert`.
#pragma once

#include <string>

namespace hotmic::cli {

/// A Whisper model, of any format that is read here, as a file of whisper.cpp. Returns the exit code.
int convert(const std::string& from, const std::string& to);

}  // namespace hotmic::cli
