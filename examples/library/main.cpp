// The text of a recording, by the library alone: example MODEL|- FILE ("-": the model that comes with PocketSphinx).
#include <hotmic/hotmic.hpp>
#include <iostream>

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const std::string model = argv[1];
    const auto engine = hotmic::builtin_providers().find(model == "-" ? "pocketsphinx" : "onnx");
    auto audio = hotmic::open_media_file(argv[2]);
    if (!engine || !audio) return 4;
    hotmic::MemoryBroker memory;
    hotmic::Journal journal;
    hotmic::ModelManager manager("mine", {.path = model == "-" ? "" : model}, *engine, {}, memory, journal);
    const auto ready = manager.initialize(hotmic::deadline_in(std::chrono::minutes(5)));  // loaded, and warm
    if (!ready) return std::cerr << ready.error().describe() << "\n", 5;
    const auto text = manager.acquire()->transcribe({.audio = *std::move(audio)});
    if (!text) return std::cerr << text.error().describe() << "\n", 1;
    std::cout << text->text << "\n";
}
