package platform

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ProcessName is the short name of a process, as ps tells it; "" where it cannot be found out.
func ProcessName(pid int) string {
	name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	return strings.TrimSpace(string(name))
}

// Users lists the processes that have a file, their directory or their program below path, or map one, as far as this
// process may see. Links of /proc are read, never followed (P2).
func Users(path string) ([]Process, error) {
	abs, err := canonical(path)
	if err != nil {
		return nil, err
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []Process
	for _, e := range procs {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if used := usedBelow(filepath.Join("/proc", e.Name()), abs); used != "" {
			out = append(out, Process{PID: pid, Name: ProcessName(pid), Path: used})
		}
	}
	return out, nil
}

// usedBelow returns one path below abs that the process uses, or "".
func usedBelow(proc, abs string) string {
	for _, l := range []string{"cwd", "root", "exe"} {
		if t, err := os.Readlink(filepath.Join(proc, l)); err == nil && below(t, abs) {
			return t
		}
	}
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return "" // it ended, or belongs to another user
	}
	for _, fd := range fds {
		if t, err := os.Readlink(filepath.Join(proc, "fd", fd.Name())); err == nil && below(t, abs) {
			return t
		}
	}
	maps, _ := os.ReadFile(filepath.Join(proc, "maps"))
	for line := range strings.Lines(string(maps)) {
		if i := strings.IndexByte(line, '/'); i >= 0 {
			if t := strings.TrimSuffix(line[i:], "\n"); below(t, abs) {
				return t
			}
		}
	}
	return ""
}

func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
