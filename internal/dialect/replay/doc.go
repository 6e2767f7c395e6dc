// Package replay is the proof that what one dialect says reaches callers of every other. It has tests alone: they send
// recorded and written answers, errors and requests through each pair of codecs, hold what comes out against the vendors'
// own descriptions of their APIs, and read it again to see that nothing was lost that is not named.
package replay
