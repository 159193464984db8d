package convert

// Phase is what a conversion is at.
type Phase string

// The phases, in the order in which a conversion has them; one of this machine is never sent anywhere.
const (
	PhaseQueued      Phase = "queued"      // others are before it, here or at the service
	PhaseReading     Phase = "reading"     // its source is brought
	PhaseUploading   Phase = "uploading"   // its source is sent to the service
	PhaseConverting  Phase = "converting"  // an engine is at it
	PhaseDownloading Phase = "downloading" // the result is fetched from the service
)

// At tells what the job is at, where anybody asks.
func (j Job) At(p Phase) {
	if j.Phase != nil {
		j.Phase(p)
	}
}

// Came tells how far the job came, from 0 to 1, where anybody asks.
func (j Job) Came(part float64) {
	if j.Progress != nil {
		j.Progress(part)
	}
}
