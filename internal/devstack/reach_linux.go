package devstack

import (
	"fmt"
	"os"
	"os/exec"
)

// serverLocale sorts by bytes and knows letters of all languages.
const serverLocale = "C.UTF-8"

// reach returns the path by which cmd, run as acc, gets at dir. Root's folders
// often lie below one that nobody else may enter (/root, a temporary folder of
// mode 0700). Then cmd inherits dir opened and enters it through /proc, which
// asks for no way through the parents: neither have their modes to be changed
// nor has the data to be kept elsewhere. The file is to be closed once cmd runs.
func reach(cmd *exec.Cmd, acc account, dir string) (path string, done func(), err error) {
	blocked, err := acc.blocked(dir)
	if err != nil {
		return "", nil, fmt.Errorf("reach %s: %w", dir, err)
	}
	if blocked == "" {
		return dir, func() {}, nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("reach %s: %w", dir, err)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	const firstExtra = 3 // after stdin, stdout, stderr
	return fmt.Sprintf("/proc/self/fd/%d", firstExtra+len(cmd.ExtraFiles)-1), func() { f.Close() }, nil
}
