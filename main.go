// Command dropfs mounts file-drop services as a disk, and is such a service itself.
package main

import (
	"os"

	"dropfs/fs/cli"
)

func main() { os.Exit(cli.Main(cli.System())) }
