// Command aihigress is an AI gateway: apps call it with one key in the OpenAI dialect, and it picks a provider, streams
// the answer back, meters it and bills it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"aihigress/internal/app"
)

// Set by the linker for released builds; a plain `go build` knows them from the module's build information.
var version, commit string

func main() {
	// A second signal ends the process at once: whoever sends it has waited long enough.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(app.Main(ctx, app.Command{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Version: app.Version{Version: version, Commit: commit},
	}))
}
