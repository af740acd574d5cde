"""How far both knees bend in a clip: python examples/knee_range.py examples/walk_3s.mp4."""

import sys

from d3ke.predict import predict
from d3ke.predict_options import PredictOptions

CUTOFF_HZ = 6.0  # low-pass, usual for gait

prediction = predict(sys.argv[1], PredictOptions(height_m=1.70))
motion = prediction.motion()
motion = motion.resampled(motion.rate_hz).lowpassed(CUTOFF_HZ)
angles = motion.to_frame()  # pandas: degrees and metres, one column a coordinate

for name in ("knee_angle_r", "knee_angle_l"):
    knee = angles[name]
    print(f"{name}: {knee.min():.0f} to {knee.max():.0f} deg, most at {knee.idxmax():.2f} s")
for topic, what in prediction.meta["assumed"].items():
    print(f"assumed {topic}: {what}")
