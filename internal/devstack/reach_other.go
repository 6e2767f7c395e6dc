//go:build unix && !linux

package devstack

import (
	"fmt"
	"os/exec"
)

// serverLocale: macOS before 15 has no C.UTF-8.
const serverLocale = "C"

// reach returns the path by which cmd, run as acc, gets at dir. Only Linux has a
// way around a parent folder that acc may not enter.
func reach(_ *exec.Cmd, acc account, dir string) (path string, done func(), err error) {
	blocked, err := acc.blocked(dir)
	if err != nil {
		return "", nil, fmt.Errorf("reach %s: %w", dir, err)
	}
	if blocked != "" {
		return "", nil, fmt.Errorf("the user %s, whom root runs Postgres as, may not enter %s: choose another data folder, such as %s",
			acc.name, blocked, DefaultDataDir())
	}
	return dir, func() {}, nil
}
