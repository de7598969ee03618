SELECT evidence FROM verdicts WHERE provider = $1
