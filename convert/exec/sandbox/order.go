package sandbox

// order is what Run tells Child, as JSON in one argument. It holds no secret: other processes can read it.
type order struct {
	Argv      []string `json:"argv,omitempty"`
	Dir       string   `json:"dir"`
	Read      []string `json:"read,omitempty"`
	Sockets   bool     `json:"sockets,omitempty"`
	Memory    uint64   `json:"memory"`
	FileSize  uint64   `json:"file_size"`
	CPU       uint64   `json:"cpu"`       // seconds
	Processes uint64   `json:"processes"` // 0: not limited
}
