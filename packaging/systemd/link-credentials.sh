# Links the credentials of a service into its home. systemd loads a folder as one file for each of
# its files, named after folder and file: keys_core.creds, keys_receipts_0001.pem. The keys are
# then read-only, so that a component whose key is missing does not make a new one, which would be
# lost at the next restart.
set -eu
keys=$DINF_HOME/keys
mkdir -p "$keys"
ln -sf "$CREDENTIALS_DIRECTORY/network-plan.json" "$DINF_HOME/network-plan.json"
for file in "$CREDENTIALS_DIRECTORY"/keys_*; do
  name=${file##*/keys_}
  case $name in
    receipts_*) mkdir -p "$keys/receipts" && ln -sf "$file" "$keys/receipts/${name#receipts_}" ;;
    *) ln -sf "$file" "$keys/$name" ;;
  esac
done
chmod 0500 "$keys"
