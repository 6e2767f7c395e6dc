package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/config"
)

// Exit codes of the command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong words or a configuration that cannot be used
)

// A Command is one call of the binary.
type Command struct {
	Args    []string
	Environ []string
	Stdout  io.Writer
	Stderr  io.Writer
	Version Version
}

// errUsage marks what the caller of the command must mend.
var errUsage = errors.New("usage")

const helpText = `aihigress is an AI gateway.

  aihigress dev        try it: everything it needs, private and in one folder
  aihigress serve      run it: DATABASE_URL, REDIS_URL and AIHIGRESS_MASTER_KEY say where
  aihigress migrate    up | status: the database's schema
  aihigress admin      create --email E: the first admin of a new install
  aihigress spool      status | verify | replay: what a node has answered and not yet booked
  aihigress simulator  a fake vendor to call
  aihigress version

Each command has -h.
`

// Main runs one command and returns the process's exit code.
func Main(ctx context.Context, c Command) int {
	commands := map[string]func(context.Context, []string) error{
		"dev": c.dev, "serve": c.serve, "migrate": c.migrate, "admin": c.admin, "spool": c.spool, "simulator": c.simulator, "version": c.version,
	}
	if len(c.Args) == 0 {
		fmt.Fprint(c.Stderr, helpText)
		return exitUsage
	}
	if name := c.Args[0]; name == "-h" || name == "--help" || name == "help" {
		fmt.Fprint(c.Stdout, helpText)
		return exitOK
	}
	run, ok := commands[c.Args[0]]
	if !ok {
		fmt.Fprintf(c.Stderr, "aihigress: there is no command %q\n\n%s", c.Args[0], helpText)
		return exitUsage
	}
	switch err := run(ctx, c.Args[1:]); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintln(c.Stderr, strings.TrimSuffix(err.Error(), ": "+errUsage.Error()))
		return exitUsage
	default:
		fmt.Fprintf(c.Stderr, "aihigress: %v\n", err)
		return exitFailed
	}
}

// flags makes a flag set that says what is wrong once, and parses args with it. Words left over are an error.
func (c Command) flags(name, about string, args []string, define func(*flag.FlagSet)) error {
	set := flag.NewFlagSet("aihigress "+name, flag.ContinueOnError)
	set.SetOutput(c.Stderr)
	set.Usage = func() {
		fmt.Fprintf(c.Stderr, "%s\n\n", about)
		set.PrintDefaults()
	}
	define(set)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%s: %w", err, errUsage)
	}
	if set.NArg() > 0 {
		return fmt.Errorf("aihigress %s: does not know what to do with %q: %w", name, set.Args(), errUsage)
	}
	return nil
}

// settings reads the environment of a production node.
func (c Command) settings() (config.Config, error) {
	settings, err := config.Load(c.Environ)
	if err != nil {
		return settings, fmt.Errorf("aihigress cannot start with this environment:\n%w: %w", err, errUsage)
	}
	return settings, nil
}

// logger makes the logger of the process.
func (c Command) logger(format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	log := slog.New(slog.NewJSONHandler(c.Stderr, o))
	if format == "text" {
		log = slog.New(slog.NewTextHandler(c.Stderr, o))
	}
	redis.SetLogger(redisLog{log}) // its own writes lines of another form, one for each attempt
	return log
}

// redisLog takes what the Redis client says beside the errors that it returns.
type redisLog struct{ log *slog.Logger }

// Printf logs a line for those who look for faults in the client.
func (r redisLog) Printf(ctx context.Context, format string, v ...any) {
	r.log.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
}

// Version says which build this is.
type Version struct{ Version, Commit string }

// filled takes what the linker was not told from the build information.
func (v Version) filled() Version {
	info, ok := debug.ReadBuildInfo()
	if ok && v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v.Commit == "" {
			v.Commit = s.Value
		}
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "dev"
	}
	if v.Commit == "" {
		v.Commit = "unknown"
	}
	return v
}

func (c Command) version(context.Context, []string) error {
	v := c.Version.filled()
	_, err := fmt.Fprintf(c.Stdout, "aihigress %s (%s, %s)\n", v.Version, v.Commit, runtime.Version())
	return err
}
