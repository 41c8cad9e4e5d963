// Command demo shows the broker's promise to somebody who sees it for the first time: sessions subscribe and leave,
// many messages are published and acknowledged while the broker is killed under load, the sessions come back, the
// broker is killed once more while it delivers, and then everything is counted. It exits with 1 if the promise is broken.
//
// # Goroutines
//
// One for each publisher, and one for each client to keep it connected; all end with the demonstration.
//
// # Files
//
//   - main.go: flags, the story from beginning to end
//   - story.go: the steps of the story
//   - report.go: what is counted, in words
package main
