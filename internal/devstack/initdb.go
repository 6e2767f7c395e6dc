package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// initCluster makes opts.Dir/data unless it is there. It is made under another
// name and renamed when whole, so that a kill in between leaves no half cluster.
// The caller holds the folder's claim.
func initCluster(ctx context.Context, opts PostgresOptions, acc account, claim *claim) error {
	data := filepath.Join(opts.Dir, "data")
	major, err := ClusterMajor(opts.Dir)
	if err != nil {
		return err
	}
	if major == opts.Binaries.Major {
		return nil
	}
	if major != 0 {
		return fmt.Errorf("the data in %s was made by Postgres %d and cannot be read by %d (%s): "+
			"install Postgres %d or choose another folder", opts.Dir, major, opts.Binaries.Major, opts.Binaries.Dir, major)
	}

	fresh := data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove a half-made cluster: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	if err := acc.own(fresh); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(opts.Binaries.Dir, "initdb"))
	cmd.ExtraFiles = []*os.File{claim.tenant}
	path, closeDir, err := reach(cmd, acc, fresh)
	if err != nil {
		return err
	}
	defer closeDir()
	cmd.Args = append(cmd.Args, "--pgdata", path, "--username", postgresUser, "--auth", "trust",
		"--encoding", "UTF8", "--locale", serverLocale, "--no-instructions")
	if !opts.Durable {
		// 1 MB segments instead of 16 MB: a test's copy of the cluster is that much smaller.
		cmd.Args = append(cmd.Args, "--no-sync", "--wal-segsize", "1")
	}
	cmd.Dir = "/"
	cmd.Env = serverEnv()
	cmd.SysProcAttr = acc.attr()
	if err := run("initdb", cmd, opts.Log); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	if err := os.Rename(fresh, data); err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	return nil
}

// ClusterMajor returns the major version of Postgres that made the cluster that
// StartPostgres keeps in dir; 0 when there is none yet.
func ClusterMajor(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "data", "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("version of the cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("version of the cluster: %w", err)
	}
	return major, nil
}
