/// The functions behind the table in formats.cpp: one for each response format, each in a file that is named for it.
#pragma once

#include <string>

#include "asr/formats.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic::formats {

/// A whole transcript in one format, whatever is in it: valid UTF-8.
using Renderer = std::string(const Transcript& transcript, const RenderOptions& options);

Renderer json;
Renderer text;
Renderer srt;
Renderer vtt;
Renderer verbose_json;

}  // namespace hotmic::formats
