// Package sse reads and writes server-sent events (text/event-stream) on the proxy's hot path.
//
// The Reader cuts a byte stream into events without changing a byte: the concatenation of all Event.Raw is the
// stream. It accepts any split of the bytes, the three line ends of the standard (LF, CRLF, CR) and a byte order
// mark, holds at most one event plus what came in the same read, and never waits for bytes beyond the blank line that
// ends an event.
package sse
